package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readyLimit is how long a node may take to become ready, on a machine that is busy with other things.
const readyLimit = 5 * time.Minute

// up starts a node that goes on after this process, and waits until it is ready.
func up(name string) error {
	i, bin, err := prepare(name)
	if err != nil {
		return err
	}
	lock, err := i.acquireClean()
	if err != nil {
		return err
	}
	if lock == nil {
		if i.has("ready") {
			fmt.Fprintf(os.Stderr, "Node %s is up already.\n", i.name)
			return describe(i)
		}
		return i.waitReady(i.isOwned, nil)
	}
	cmd, err := i.startSupervisor(lock, bin)
	lock.Close() // the supervisor holds it now
	if err != nil {
		return err
	}
	interrupted := signalChannel()
	if err := i.waitReady(i.isOwned, interrupted); err != nil {
		if errors.Is(err, errInterrupted) {
			cmd.Process.Signal(syscall.SIGTERM)
			cmd.Wait()
		}
		return err
	}
	return describe(i)
}

// prepare builds what is missing and clears away what dead nodes left.
func prepare(name string) (i instance, bin string, err error) {
	if i, err = newInstance(name); err != nil {
		return
	}
	if os.Geteuid() != 0 {
		return i, "", errors.New("a node needs root: it makes namespaces, mounts and cgroups")
	}
	if err = ensureDependencies(); err != nil {
		return
	}
	if bin, err = ensurePrograms(); err != nil {
		return
	}
	sweep(i.root)
	return i, bin, nil
}

// startSupervisor starts the process that owns the node, in a session of its own.
func (i instance) startSupervisor(lock *os.File, bin string) (*exec.Cmd, error) {
	if err := i.makeFolders(); err != nil {
		return nil, err
	}
	log, err := os.Create(i.path("log", "supervisor"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := &exec.Cmd{
		Path: self, Args: []string{"node", superviseCommand, "--name", i.name}, Dir: "/",
		Env:    append(os.Environ(), "MARKETSTREAM_NODE_BIN="+bin, "MARKETSTREAM_CACHE="+filepath.Dir(filepath.Dir(i.root))),
		Stdout: log, Stderr: log, ExtraFiles: []*os.File{lock},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	return cmd, cmd.Start()
}

var errInterrupted = errors.New("interrupted: the node is ended")

// waitReady waits until the node is ready, or will not be.
func (i instance) waitReady(alive func() bool, interrupted <-chan os.Signal) (err error) {
	s := begin("start node "+i.name, "")
	defer func() { s.end(err) }()
	for deadline := time.Now().Add(readyLimit); ; {
		s.say(i.read("phase"))
		switch {
		case i.has("ready"):
			return nil
		case i.has("failure") || !alive():
			return fmt.Errorf("node %s failed: %s", i.name, i.failure())
		case time.Now().After(deadline):
			return fmt.Errorf("node %s is not ready after %s; its logs are in %s", i.name, seconds(readyLimit), i.path("log"))
		}
		select {
		case <-interrupted:
			return errInterrupted
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// describe tells how to use a node that is up.
func describe(i instance) error {
	fmt.Printf("%s: ready, API server %s\nexport KUBECONFIG=%s\n", i.name, i.read("server"), i.kubeconfig())
	return nil
}

// down ends a node and returns when nothing of it is left.
func down(name string) (err error) {
	i, err := newInstance(name)
	if err != nil {
		return err
	}
	if !i.isOwned() {
		left := i.has(".")
		sweep(i.root)
		if left {
			fmt.Fprintf(os.Stderr, "Node %s was not up; what it had left is removed.\n", name)
		} else {
			fmt.Fprintf(os.Stderr, "Node %s is not up.\n", name)
		}
		return nil
	}
	identity := i.read("supervisor")
	pid, err := strconv.Atoi(strings.Split(identity, " ")[0])
	if err != nil {
		return fmt.Errorf("node %s belongs to a `node run`, which ends it (or it is just being started)", name)
	}
	s := begin("end node "+name, "")
	defer func() { s.end(err) }()
	syscall.Kill(pid, syscall.SIGTERM)
	if waitGone(identity, 40*time.Second) != nil {
		// It cannot be asked any more. The namespace dies with it.
		syscall.Kill(pid, syscall.SIGKILL)
		if err := waitGone(identity, 10*time.Second); err != nil {
			return err
		}
	}
	sweep(i.root)
	if i.has(".") {
		return fmt.Errorf("the state of node %s could not be removed: %s", name, i.path())
	}
	return nil
}

// status tells how a node is.
func status(name string) error {
	i, err := newInstance(name)
	if err != nil {
		return err
	}
	switch {
	case i.isOwned() && i.has("ready"):
		fmt.Printf("%s: ready since %s, API server %s\n  kubeconfig %s\n  logs       %s\n",
			name, i.read("ready"), i.read("server"), i.kubeconfig(), i.path("log"))
		return nil
	case i.isOwned():
		fmt.Printf("%s: starting (%s)\n", name, i.read("phase"))
	case i.has("failure"):
		fmt.Printf("%s: it ended by itself.\n%s\n", name, i.failure())
	default:
		fmt.Printf("%s: not up\n", name)
	}
	return exitCode(3)
}

func printKubeconfig(name string) error {
	i, err := newInstance(name)
	if err != nil {
		return err
	}
	if !i.isOwned() || !i.has("ready") {
		return fmt.Errorf("node %s is not up", name)
	}
	fmt.Println(i.kubeconfig())
	return nil
}

func printBin() error {
	bin, err := binFolder()
	if err != nil {
		return err
	}
	if len(missingPrograms(bin)) > 0 {
		return errors.New("the programs are not built yet: `node build`")
	}
	fmt.Println(bin)
	return nil
}

// load imports image archives into a node that is up.
func load(name string, archives []string) error {
	if len(archives) == 0 {
		return errors.New("load: which image archives?")
	}
	i, err := newInstance(name)
	if err != nil {
		return err
	}
	if !i.isOwned() || !i.has("ready") {
		return fmt.Errorf("node %s is not up", name)
	}
	bin, err := binFolder()
	if err != nil {
		return err
	}
	for _, archive := range archives {
		s := begin("load "+filepath.Base(archive), "")
		output, err := importImage(i, bin, archive)
		s.end(err)
		if err != nil {
			return fmt.Errorf("cannot import %s: %w\n%s", archive, err, output)
		}
	}
	return nil
}
