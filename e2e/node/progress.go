package main

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// step shows one piece of work: a line that counts the seconds on a terminal,
// otherwise a line at the start of long work and one at its end.
type step struct {
	label   string
	started time.Time
	tty     bool
	mu      sync.Mutex
	detail  string
	stop    chan struct{}
	stopped chan struct{}
}

// quietFor is how long work may take before its start is worth a line where there is no terminal.
const quietFor = 3 * time.Second

// stillEvery is how often a line says that long work goes on where there is no terminal.
const stillEvery = 30 * time.Second

// begin shows that a piece of work has started.
func begin(label, detail string) *step {
	s := &step{label: label, detail: detail, started: time.Now(), tty: isTerminal(os.Stderr), stop: make(chan struct{}), stopped: make(chan struct{})}
	go s.show()
	return s
}

// say changes the detail behind the label.
func (s *step) say(detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detail = detail
}

func (s *step) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.detail == "" {
		return s.label
	}
	return s.label + " (" + s.detail + ")"
}

func (s *step) show() {
	defer close(s.stopped)
	wait := quietFor
	if s.tty {
		wait = 0
	}
	for {
		select {
		case <-s.stop:
			return
		case <-time.After(wait):
		}
		if s.tty {
			fmt.Fprintf(os.Stderr, "\r\033[K  .. %s %s", s.text(), seconds(time.Since(s.started)))
			wait = 100 * time.Millisecond
		} else {
			fmt.Fprintf(os.Stderr, "  .. %s %s\n", s.text(), seconds(time.Since(s.started)))
			wait = stillEvery
		}
	}
}

// end closes the line: with what failed, or with how long it took.
func (s *step) end(err error) {
	close(s.stop)
	<-s.stopped
	clear := ""
	if s.tty {
		clear = "\r\033[K"
	}
	mark := "ok"
	if err != nil {
		mark = "--"
	}
	fmt.Fprintf(os.Stderr, "%s  %s %s %s\n", clear, mark, s.label, seconds(time.Since(s.started)))
}

func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
}

// isTerminal tells whether a file is a terminal.
func isTerminal(f *os.File) bool {
	var termios syscall.Termios
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TCGETS, uintptr(unsafe.Pointer(&termios)))
	return errno == 0
}
