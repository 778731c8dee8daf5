package main

import (
	"io"
	"net"
	"time"
)

// The node's network has no way in. The API server is reached from the host through a socket file in the state
// folder, which both sides see: the host's side listens on loopback, the node's side dials the API server.

// relay passes every connection on to where dial leads, until the listener is closed.
func relay(listener net.Listener, dial func() (net.Conn, error)) {
	for {
		from, err := listener.Accept()
		if err != nil {
			if t, ok := err.(interface{ Temporary() bool }); ok && t.Temporary() {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			return
		}
		go func() {
			defer from.Close()
			to, err := dial()
			if err != nil {
				return
			}
			defer to.Close()
			done := make(chan struct{}, 2)
			go pass(to, from, done)
			go pass(from, to, done)
			<-done
			<-done
		}()
	}
}

// pass copies one direction and hands on its end, so that the other direction may still go on.
func pass(to, from net.Conn, done chan<- struct{}) {
	io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	done <- struct{}{}
}
