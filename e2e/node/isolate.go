package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// isolate gives the node its own view of the folders that its programs write to, and its own network.
func isolate(i instance) error {
	// Private from the host, but shared further down: a pod may ask to see mounts made later.
	for _, flag := range []uintptr{syscall.MS_PRIVATE, syscall.MS_SHARED} {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|flag, ""); err != nil {
			return fmt.Errorf("cannot set the propagation of mounts: %w", err)
		}
	}
	if err := syscall.Sethostname([]byte(nodeName)); err != nil {
		return err
	}
	for _, cover := range []struct{ dir, with string }{{"/run", ""}, {"/var/lib", i.path("var-lib")}, {"/var/log", i.path("var-log")}} {
		if err := coverFolder(cover.dir, cover.with, filepath.Dir(i.root)); err != nil {
			return fmt.Errorf("cannot give the node its own %s: %w", cover.dir, err)
		}
	}
	if err := coverSysctls(i); err != nil {
		return fmt.Errorf("cannot shield the machine's kernel settings: %w", err)
	}
	return makeNetwork()
}

// coverFolder hides a folder of the host behind another one, or behind an empty file system in memory.
// If what the node itself needs is in it, that is shown again at its place.
func coverFolder(dir, with, keep string) error {
	kept, err := os.Open(keep)
	if err != nil {
		return err
	}
	defer kept.Close()
	if with == "" {
		err = syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=755")
	} else {
		err = syscall.Mount(with, dir, "", syscall.MS_BIND, "")
	}
	if err != nil || !strings.HasPrefix(keep+"/", dir+"/") {
		return err
	}
	if err := os.MkdirAll(keep, 0o755); err != nil {
		return err
	}
	return syscall.Mount(fmt.Sprintf("/proc/self/fd/%d", kept.Fd()), keep, "", syscall.MS_BIND|syscall.MS_REC, "")
}

// coverSysctls shows the kubelet the kernel settings that it wants to see, since it would otherwise
// change the machine's own: what a kernel does after a panic is not a demo's business.
func coverSysctls(i instance) error {
	dir := i.path("conf", "sysctl")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for setting, value := range map[string]string{
		"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
		"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
	} {
		source := filepath.Join(dir, strings.ReplaceAll(setting, "/", "."))
		if err := os.WriteFile(source, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		target := "/proc/sys/" + setting
		if _, err := os.Stat(target); err != nil {
			continue
		}
		if err := syscall.Mount(source, target, "", syscall.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

// makeNetwork brings up loopback and a bridge without ports that carries the node's address. The default route
// leads nowhere; it is there because programs look at it to choose an address.
func makeNetwork() error {
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "node0", "type", "bridge"},
		{"addr", "add", nodeAddress + "/24", "dev", "node0"},
		{"link", "set", "node0", "up"},
		{"route", "add", "default", "via", nowhereAddress, "dev", "node0"},
	} {
		if output, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(output)))
		}
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}
