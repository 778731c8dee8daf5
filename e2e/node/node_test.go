package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestNameFlag(t *testing.T) {
	name, rest, err := nameFlag([]string{"--name", "a1", "--", "--name", "x"})
	if name != "a1" || !slices.Equal(rest, []string{"--", "--name", "x"}) || err != nil {
		t.Error(name, rest, err)
	}
	for _, bad := range []string{"../x", "A", "-x", "a/b", "a.lock", "a b"} {
		for _, tail := range [][]string{nil, {"--", "true"}, {"image.tar"}} {
			if _, _, err := nameFlag(append([]string{"--name=" + bad}, tail...)); err == nil {
				t.Errorf("the name %q is accepted", bad)
			}
		}
	}
}

func TestOnlyOneOwner(t *testing.T) {
	i := instance{name: "x", root: t.TempDir()}
	lock, err := i.acquire()
	if err != nil || lock == nil || !i.isOwned() {
		t.Fatal("cannot take a free lock:", err)
	}
	if second, err := i.acquire(); second != nil || err != nil {
		t.Error("took a lock that is held:", err)
	}
	i.release(lock)
	if i.isOwned() {
		t.Error("a lock that was given up is still held")
	}
	if _, err := os.Stat(i.lockFile()); err == nil {
		t.Error("the lock's file stays")
	}
}

func TestWaitGone(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	identity := identify(cmd.Process.Pid)
	if waitGone(identity, 50*time.Millisecond) == nil {
		t.Error("a process that runs counts as gone")
	}
	cmd.Process.Kill() // not reaped yet: what waits to be reaped is gone
	if err := waitGone(identity, 5*time.Second); err != nil {
		t.Error(err)
	}
	cmd.Wait()
	if err := waitGone("", 0); err != nil {
		t.Error("no process at all:", err)
	}
}

func TestPins(t *testing.T) {
	source, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		flags, err := p.linkFlags(source)
		if err != nil {
			t.Error(err)
		}
		t.Log(p.name, flags)
	}
	if _, err := pinnedVersion("kubernetes/go.mod", "k8s.io/none"); err == nil {
		t.Error("found the version of what is not required")
	}
	if _, err := pinsKey(source); err != nil {
		t.Error(err)
	}
}
