package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// instance is one named node. Its lock is held by the process that owns the node, for as long as that lives,
// so whether a node is up is a question to the kernel and never to a file that may be stale.
type instance struct {
	name string
	root string // the folder of all states
}

func newInstance(name string) (instance, error) {
	cache, err := cacheRoot()
	if err != nil {
		return instance{}, err
	}
	i := instance{name: name, root: filepath.Join(cache, "state")}
	// The kernel's limit for the path of a socket is 107 bytes.
	if longest := i.path("containerd.sock.ttrpc"); len(longest) > 107 {
		return i, fmt.Errorf("the path %s is too long for a socket: set MARKETSTREAM_CACHE to a shorter one", longest)
	}
	return i, nil
}

// path is a path inside the node's state folder.
func (i instance) path(parts ...string) string {
	return filepath.Join(append([]string{i.root, i.name}, parts...)...)
}

func (i instance) lockFile() string   { return i.path() + ".lock" }
func (i instance) kubeconfig() string { return i.path("kubeconfig") }

// acquireClean takes the lock and clears away what a former node of this name left. It returns nil when another
// process holds the lock.
func (i instance) acquireClean() (*os.File, error) {
	lock, err := i.acquire()
	if err != nil || lock == nil {
		return nil, err
	}
	if err := i.clean(); err != nil {
		i.release(lock)
		return nil, err
	}
	return lock, nil
}

// acquire takes the lock. It returns nil when another process holds it.
func (i instance) acquire() (*os.File, error) {
	if err := os.MkdirAll(i.root, 0o755); err != nil {
		return nil, err
	}
	for {
		lock, err := os.OpenFile(i.lockFile(), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			lock.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, nil
			}
			return nil, err
		}
		// The file may have been removed by its former owner in between: then the lock is worth nothing.
		held, err1 := lock.Stat()
		there, err2 := os.Stat(i.lockFile())
		if err1 == nil && err2 == nil && os.SameFile(held, there) {
			return lock, nil
		}
		lock.Close()
	}
}

// release gives the lock up and removes its file. Only the holder may call it.
func (i instance) release(lock *os.File) {
	os.Remove(i.lockFile())
	lock.Close()
}

// isOwned tells whether a process holds the lock.
func (i instance) isOwned() bool {
	lock, err := os.Open(i.lockFile())
	if err != nil {
		return false
	}
	defer lock.Close()
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

// has tells whether a file of the state exists.
func (i instance) has(file string) bool {
	_, err := os.Stat(i.path(file))
	return err == nil
}

// read is the content of a file of the state, without white space around it; empty when there is none.
func (i instance) read(file string) string {
	data, _ := os.ReadFile(i.path(file))
	return strings.TrimSpace(string(data))
}

// clean removes what a node left: processes that are still ending, its cgroups and its state folder.
// The caller holds the lock.
func (i instance) clean() error {
	if err := waitGone(i.read("pid-one"), 30*time.Second); err != nil {
		return err
	}
	if err := removeCgroups(i); err != nil {
		return err
	}
	if mounted, err := mountsBelow(i.path()); err != nil || mounted != "" {
		return errors.Join(err, fmt.Errorf("something is mounted at %s: not removing the state of node %s", mounted, i.name))
	}
	return os.RemoveAll(i.path())
}

// sweep cleans what dead nodes left behind: after a power cut, or a kill that nothing could catch.
func sweep(root string) {
	entries, _ := os.ReadDir(root)
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), ".lock")
		i := instance{name: name, root: root}
		lock, err := i.acquire()
		if err != nil || lock == nil {
			continue
		}
		if err := i.clean(); err != nil {
			fmt.Fprintln(os.Stderr, "node: cannot clean up after node", name+":", err)
		}
		i.release(lock)
	}
}

// identify writes down which process a PID means, for after it was given to another.
func identify(pid int) string {
	return fmt.Sprintf("%d %s", pid, startTime(pid))
}

// startTime is when a process started, in the kernel's ticks; empty when it is gone or only waits to be reaped.
func startTime(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The program's name stands in parentheses and may contain anything.
	_, rest, _ := strings.Cut(string(data[strings.LastIndexByte(string(data), ')'):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return ""
	}
	// The first thread may be over while others still work on the end: 18th in this list is their number.
	if (fields[0] == "Z" || fields[0] == "X") && fields[17] == "1" {
		return ""
	}
	return fields[19]
}

// waitGone waits until the process that identify described has ended. Process 1 of a namespace ends last in it.
func waitGone(identity string, limit time.Duration) error {
	pidText, start, _ := strings.Cut(identity, " ")
	pid, err := strconv.Atoi(pidText)
	if err != nil || start == "" {
		return nil
	}
	for deadline := time.Now().Add(limit); startTime(pid) == start; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not end", pid)
		}
	}
	return nil
}

// mountsBelow is a mount point in a folder, if there is one.
func mountsBelow(dir string) (string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			return fields[4], nil
		}
	}
	return "", nil
}

// makeFolders lays out an empty state folder.
func (i instance) makeFolders() error {
	for _, dir := range []string{"pki", "conf", "log", "etcd", "containerd", "kubelet", "cni", "volumes", "var-lib", "var-log"} {
		mode := fs.FileMode(0o755)
		if dir == "pki" || dir == "conf" {
			mode = 0o700
		}
		if err := os.MkdirAll(i.path(dir), mode); err != nil {
			return err
		}
	}
	return nil
}
