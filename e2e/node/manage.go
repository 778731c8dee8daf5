package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// manager runs inside the node's namespaces: it starts the components, makes the node ready, and watches.
// When it returns, process 1 ends, and with it everything else.
type manager struct {
	instance
	bin  string
	died chan error // the first component that ended
}

// manage is the manager's whole life. Why it ended is left in a file for the owner of the node.
func manage(name string) error {
	i, err := newInstance(name)
	if err != nil {
		return err
	}
	m := &manager{instance: i, bin: os.Getenv("MARKETSTREAM_NODE_BIN"), died: make(chan error, 16)}
	os.Setenv("PATH", m.bin+":"+systemPath())
	if err = m.live(); err != nil {
		os.WriteFile(i.path("failure"), []byte(err.Error()), 0o644)
	}
	return err
}

func (m *manager) live() error {
	m.phase("namespaces")
	if err := isolate(m.instance); err != nil {
		return err
	}
	ready := make(chan error, 1)
	go func() { ready <- m.bringUp() }()
	for {
		select {
		case err := <-m.died:
			return err
		case err := <-ready:
			if err != nil {
				return err
			}
			if err := writeWhole(m.path("ready"), []byte(time.Now().Format(time.RFC3339)), 0o644); err != nil {
				return err
			}
			ready = nil
		}
	}
}

// bringUp starts everything in an order that wastes no time, and returns when pods can be made.
func (m *manager) bringUp() error {
	m.phase("etcd, containerd, API server")
	if err := m.start(etcdComponent(m.instance), containerdComponent(m.instance), apiServerComponent(m.instance)); err != nil {
		return err
	}
	if err := m.openDoor(); err != nil {
		return err
	}
	imported := make(chan error, 1)
	go func() { imported <- m.importPauseImage() }()

	api, err := newAPI(m.instance)
	if err != nil {
		return err
	}
	if err := m.await("the API server to be ready", func() error { return api.get("/readyz", nil) }); err != nil {
		return err
	}
	m.phase("controllers, scheduler, kubelet, proxy")
	if err := m.start(controllerManagerComponent(m.instance), schedulerComponent(m.instance), proxyComponent(m.instance)); err != nil {
		return err
	}
	if err := <-imported; err != nil {
		return err
	}
	if err := m.start(kubeletComponent(m.instance)); err != nil {
		return err
	}
	if err := serveDNS(api); err != nil {
		return err
	}
	m.phase("storage")
	pool := &volumePool{api: api, dir: m.path("volumes")}
	if err := m.await("the storage class and its volumes to be made", pool.begin); err != nil {
		return err
	}
	go pool.keep()

	m.phase("node ready")
	if err := m.await("the node to be ready", api.nodeReady); err != nil {
		return err
	}
	return m.await("the default service account", func() error {
		return api.get("/api/v1/namespaces/default/serviceaccounts/default", nil)
	})
}

// phase tells who waits what is being done.
func (m *manager) phase(text string) {
	writeWhole(m.path("phase"), []byte(text), 0o644)
}

// start starts components. The end of any of them is the end of the node: it is here to be relied on.
func (m *manager) start(components ...component) error {
	for _, c := range components {
		logPath := m.path("log", c.name)
		log, err := os.Create(logPath)
		if err != nil {
			return err
		}
		cmd := &exec.Cmd{Path: filepath.Join(m.bin, c.argv[0]), Args: c.argv, Env: os.Environ(), Dir: m.path(), Stdout: log, Stderr: log}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("cannot start %s: %w", c.name, err)
		}
		go func() {
			err := cmd.Wait()
			log.Close()
			if err == nil {
				err = errors.New("exit status 0")
			}
			text, _ := os.ReadFile(logPath)
			m.died <- fmt.Errorf("%s ended (%w); the end of its log (%s):\n%s", c.name, err, logPath, lastLines(string(text), 15))
		}()
	}
	return nil
}

// await tries until it works, and says what it was that did not.
func (m *manager) await(what string, try func() error) error {
	const limit = 2 * time.Minute
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		err := try()
		if err == nil {
			return nil
		}
		if isStatus(err, http.StatusUnprocessableEntity) {
			return err // asking again will not make it right
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s for %s in vain: %w (the logs are in %s)", seconds(limit), what, err, m.path("log"))
		}
	}
}

// openDoor lets the host in to the API server.
func (m *manager) openDoor() error {
	listener, err := net.Listen("unix", m.path("api.sock"))
	if err != nil {
		return err
	}
	go relay(listener, func() (net.Conn, error) { return net.Dial("tcp", "127.0.0.1:6443") })
	return nil
}

// importPauseImage waits for containerd and gives it the image of the pods' sandboxes.
func (m *manager) importPauseImage() error {
	return m.await("containerd to take the pause image", func() error {
		output, err := importImage(m.instance, m.bin, filepath.Join(m.bin, pauseArchive))
		if err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	})
}

// importImage gives containerd an image archive, for pods to use. It works from inside the node and from the host.
func importImage(i instance, bin, archive string) (output string, err error) {
	cmd := exec.Command(filepath.Join(bin, "ctr"), "--address", i.path("containerd.sock"), "--connect-timeout", "2s",
		"--namespace", "k8s.io", "images", "import", "--snapshotter", snapshotter(i.path()), archive)
	var buffer bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buffer, &buffer
	err = cmd.Run()
	return strings.TrimSpace(buffer.String()), err
}
