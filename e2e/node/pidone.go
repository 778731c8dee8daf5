package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Hidden commands: this program starts itself in different roles.
const (
	pidOneCommand    = "internal-pid-one"
	manageCommand    = "internal-manage"
	superviseCommand = "internal-supervise"
)

// self is this very program, even when its file was replaced meanwhile.
const self = "/proc/self/exe"

// pidOneProcess describes process 1 of a new PID namespace, which runs argv. It dies with the thread that starts
// it, and the kernel then ends everything in the namespace: nothing can outlive its owner, however that ends.
func pidOneProcess(flags uintptr, argv ...string) (path string, args []string, attr *syscall.SysProcAttr) {
	return self, append([]string{"node", pidOneCommand}, argv...), &syscall.SysProcAttr{
		Cloneflags: flags | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
}

// pidOne is the life of process 1: it shows the namespace its own /proc, runs one command, reaps orphans,
// and ends with the command's exit code. Signals are for the command, which is in the same process group.
func pidOne(argv []string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("cannot keep mounts to the namespace: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("cannot mount the namespace's /proc: %w", err)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)

	path, err := lookPath(argv[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		return exitCode(127)
	}
	child, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		fmt.Fprintf(os.Stderr, "node: cannot run %s: %v\n", argv[0], err)
		return exitCode(126)
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == nil && pid == child {
			if status.Signaled() {
				return exitCode(128 + int(status.Signal()))
			}
			return exitCode(status.ExitStatus())
		}
		if err == syscall.ECHILD {
			return exitCode(1)
		}
	}
}
