package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// running is a node that this process owns.
type running struct {
	instance
	cmd      *exec.Cmd
	listener net.Listener
	ended    chan struct{} // closed when the node's process 1 has ended, and so everything in the node
}

// startNode starts a node in an empty state folder. The caller holds the lock and is on the main thread.
func startNode(i instance, bin string) (*running, error) {
	if err := i.makeFolders(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := "https://" + listener.Addr().String()
	for _, write := range []func() error{
		func() error { return os.WriteFile(i.path("server"), []byte(server), 0o644) },
		func() error { return writePKI(i, server) },
		func() error { return writeConfigs(i, bin) },
		func() error { return makeCgroups(i) },
	} {
		if err := write(); err != nil {
			listener.Close()
			return nil, err
		}
	}

	log, err := os.Create(i.path("log", "manager"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	r := &running{instance: i, listener: listener, ended: make(chan struct{})}
	path, args, attr := pidOneProcess(syscall.CLONE_NEWNET|syscall.CLONE_NEWIPC|syscall.CLONE_NEWUTS, self, manageCommand, "--name", i.name)
	r.cmd = &exec.Cmd{Path: path, Args: args, SysProcAttr: attr, Stdout: log, Stderr: log, Dir: "/"}
	r.cmd.Env = append(os.Environ(), "MARKETSTREAM_NODE_BIN="+bin)
	attr.Setpgid = true // a terminal's Ctrl-C is for the owner, who then ends the node
	if err := r.cmd.Start(); err != nil {
		listener.Close()
		return nil, fmt.Errorf("cannot start a process in namespaces of its own (is this root?): %w", err)
	}
	go func() {
		r.cmd.Wait()
		close(r.ended)
	}()
	if err := os.WriteFile(i.path("pid-one"), []byte(identify(r.cmd.Process.Pid)), 0o644); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	go relay(listener, func() (net.Conn, error) { return net.Dial("unix", i.path("api.sock")) })
	return r, nil
}

// stop ends everything in the node, waits for it, and removes its cgroups.
func (r *running) stop() error {
	r.listener.Close()
	r.cmd.Process.Kill()
	select {
	case <-r.ended: // the kernel reports the end of a namespace's process 1 when all others have ended
	case <-time.After(30 * time.Second):
		return fmt.Errorf("the processes of node %s do not end", r.name)
	}
	return removeCgroups(r.instance)
}

// failure is why the node ended by itself.
func (i instance) failure() string {
	if text := i.read("failure"); text != "" {
		return text
	}
	return "the node ended without a word; the end of its log (" + i.path("log", "manager") + "):\n" +
		lastLines(i.read("log/manager"), 15)
}

// superviseDetached owns a node until it is told to end it, or it ends by itself.
// `node up` starts it with the lock as file 3, in a state folder that is empty but for the log.
func superviseDetached(name string) error {
	i, err := newInstance(name)
	if err != nil {
		return err
	}
	lock := os.NewFile(3, "lock")
	syscall.CloseOnExec(3)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)

	if err := os.WriteFile(i.path("supervisor"), []byte(identify(os.Getpid())), 0o644); err != nil {
		return err
	}
	r, err := startNode(i, os.Getenv("MARKETSTREAM_NODE_BIN"))
	if err != nil {
		os.WriteFile(i.path("failure"), []byte(err.Error()), 0o644)
		return err
	}
	select {
	case <-signals:
		if err := r.stop(); err != nil {
			return err
		}
		if err := i.clean(); err != nil {
			return err
		}
		i.release(lock)
		return nil
	case <-r.ended:
		os.WriteFile(i.path("failure"), []byte(i.failure()), 0o644)
		return errors.Join(fmt.Errorf("%s", i.failure()), r.stop()) // the state stays, for a person to look at
	}
}
