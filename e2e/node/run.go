package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"
)

// run starts a fresh node, runs a command with it, and ends the node whatever happens.
// The node belongs to this very process, and the command runs in a PID namespace that does too:
// even if this process is killed, nothing is left.
func run(name string, args []string) (err error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return errors.New("run: which command? node run [--name NAME] -- CMD...")
	}
	if name == "" {
		name = fmt.Sprintf("run-%d", os.Getpid())
	}
	signals := signalChannel()
	i, bin, err := prepare(name)
	if err != nil {
		return err
	}
	lock, err := i.acquireClean()
	if err != nil {
		return err
	}
	if lock == nil {
		return fmt.Errorf("node %s is up already; `node run` wants a fresh one (another --name, or `node down --name %s`)", name, name)
	}
	defer i.release(lock)
	defer func() { err = errors.Join(err, i.clean()) }()
	r, err := startNode(i, bin)
	if err != nil {
		return err
	}
	defer func() {
		s := begin("end node "+name, "")
		stopped := r.stop()
		s.end(stopped)
		err = errors.Join(err, stopped)
	}()
	if err := i.waitReady(r.alive, signals); err != nil {
		return err
	}
	code, err := r.command(args, bin, signals)
	if err == nil && code != 0 {
		err = exitCode(code)
	}
	return err
}

func (r *running) alive() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// command runs the command beside the node and returns its exit code. If the node ends first, so does the command.
func (r *running) command(args []string, bin string, signals <-chan os.Signal) (int, error) {
	path, argv, attr := pidOneProcess(0, args...)
	cmd := &exec.Cmd{Path: path, Args: argv, SysProcAttr: attr, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	cmd.Env = append(os.Environ(),
		"KUBECONFIG="+r.kubeconfig(),
		"MARKETSTREAM_NODE="+r.name,
		"MARKETSTREAM_NODE_STATE="+r.path(),
		"PATH="+bin+":"+os.Getenv("PATH"))
	// The command has a process group of its own, so that a signal reaches it once: from the terminal, whose
	// foreground it becomes, or from us.
	attr.Setpgid = true
	if isTerminal(os.Stdin) && foreground(os.Stdin) == syscall.Getpgrp() {
		attr.Foreground, attr.Ctty = true, int(os.Stdin.Fd())
		defer takeTerminalBack()
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			syscall.Kill(-cmd.Process.Pid, s.(syscall.Signal))
		case <-done:
			return cmd.ProcessState.ExitCode(), nil
		case <-r.ended:
			syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				cmd.Process.Kill()
				<-done
			}
			return 0, fmt.Errorf("the node ended while the command was running: %s", r.failure())
		}
	}
}

// signalChannel gets the signals that ask this process to end.
func signalChannel() <-chan os.Signal {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	return signals
}

// foreground is the process group that a terminal's keys go to.
func foreground(terminal *os.File) int {
	var group int32
	syscall.Syscall(syscall.SYS_IOCTL, terminal.Fd(), syscall.TIOCGPGRP, uintptr(unsafe.Pointer(&group)))
	return int(group)
}

// takeTerminalBack makes this process the terminal's foreground again. The kernel would stop a background process
// that does so, unless it ignores that.
func takeTerminalBack() {
	signal.Ignore(syscall.SIGTTOU)
	group := int32(syscall.Getpgrp())
	syscall.Syscall(syscall.SYS_IOCTL, os.Stdin.Fd(), syscall.TIOCSPGRP, uintptr(unsafe.Pointer(&group)))
	signal.Reset(syscall.SIGTTOU)
}

// lookPath finds a program in PATH, and gives a path that does not depend on the folder.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("no such command: %s", name)
	}
	return filepath.Abs(path)
}
