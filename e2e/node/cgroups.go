package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cgroupV2 tells which of its two interfaces the kernel offers here.
func cgroupV2() bool {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return err == nil
}

// cgroupName is the node's own part of the tree: a kubelet removes what it does not know below its root,
// so two nodes must not share one.
func (i instance) cgroupName() string { return "marketstream-" + i.name }

// cgroupRoots are the trees in which the node needs a part.
func cgroupRoots() ([]string, error) {
	if cgroupV2() {
		return []string{"/sys/fs/cgroup"}, nil
	}
	return cgroupMounts("cgroup")
}

// cgroupMounts are the mounted trees of a kind: "cgroup" is version 1, "cgroup2" version 2.
func cgroupMounts(kind string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	var roots []string
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == kind {
			roots = append(roots, fields[1])
		}
	}
	return roots, nil
}

// makeCgroups makes the node's part in every tree.
func makeCgroups(i instance) error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	if len(roots) == 0 {
		return errors.New("no cgroups are mounted: containers cannot be started here")
	}
	for _, root := range roots {
		if cgroupV2() {
			if err := delegate(root); err != nil {
				return err
			}
		}
		dir := filepath.Join(root, i.cgroupName())
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cannot make a cgroup (is this root?): %w", err)
		}
		if cgroupV2() {
			if err := delegate(dir); err != nil {
				return err
			}
			continue
		}
		// A new part of the cpuset tree starts without any processor, and nothing could run in it.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if value, err := os.ReadFile(filepath.Join(root, file)); err == nil {
				if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// delegate turns on, for the children of a version 2 cgroup, the controllers that the kubelet wants.
func delegate(dir string) error {
	available, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(available)) {
		switch controller {
		case "cpu", "cpuset", "memory", "pids", "io", "hugetlb":
			if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
				return fmt.Errorf("cannot turn on the cgroup controller %s below %s "+
					"(in a container, its own processes must first move into a child cgroup): %w", controller, dir, err)
			}
		}
	}
	return nil
}

// removeCgroups removes the node's parts. What just ended in them may need a moment to leave.
func removeCgroups(i instance) error {
	roots, err := cgroupMounts("cgroup")
	if err != nil {
		return err
	}
	// Where both versions are mounted, the container runtime also leaves something in the second.
	unified, err := cgroupMounts("cgroup2")
	if err != nil {
		return err
	}
	roots = append(roots, unified...)
	for _, root := range roots {
		dir := filepath.Join(root, i.cgroupName())
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			err := removeTree(dir)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("cannot remove the cgroup of node %s: %w", i.name, err)
			}
		}
	}
	return nil
}

// removeTree removes a cgroup and those below it, the innermost first. Their files are not for removing.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(dir)
}
