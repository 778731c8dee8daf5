package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// buildAll makes everything that a node needs: the distribution's programs, ours, and the pause image.
func buildAll() error {
	if err := ensureDependencies(); err != nil {
		return err
	}
	bin, err := ensurePrograms()
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "The node's programs are in", bin)
	return nil
}

// ensurePrograms builds what is missing and returns the folder of the programs.
func ensurePrograms() (string, error) {
	bin, err := binFolder()
	if err != nil {
		return "", err
	}
	if len(missingPrograms(bin)) == 0 {
		return bin, nil
	}
	source, err := sourceRoot()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	unlock, err := buildLock(bin)
	if err != nil {
		return "", err
	}
	defer unlock()

	missing := missingPrograms(bin) // another build may have been at it until now
	for i, p := range missing {
		if err := buildOne(p, fmt.Sprintf("%2d/%d", i+1, len(missing)), source, bin); err != nil {
			return "", err
		}
	}
	return bin, packPauseImage(filepath.Join(bin, "pause"), filepath.Join(bin, pauseArchive))
}

// missingPrograms are those not built yet. The pause image is made last, so without it all is looked at again.
func missingPrograms(bin string) []program {
	var missing []program
	for _, p := range programs {
		if _, err := os.Stat(filepath.Join(bin, p.name)); err != nil {
			missing = append(missing, p)
		}
	}
	if _, err := os.Stat(filepath.Join(bin, pauseArchive)); err != nil && len(missing) == 0 {
		missing = append(missing, programs[len(programs)-1])
	}
	return missing
}

// buildOne compiles one program under a passing name and moves it into place when it is whole.
func buildOne(p program, number, source, bin string) (err error) {
	flags, err := p.linkFlags(source)
	if err != nil {
		return err
	}
	s := begin(fmt.Sprintf("%s  build %s", number, p.name), p.hint)
	defer func() { s.end(err) }()

	partial := filepath.Join(bin, "."+p.name+".partial")
	cmd := exec.Command("go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-tags", p.tags, "-ldflags", flags, "-o", partial, p.path)
	cmd.Dir = filepath.Join(source, p.dir)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building %s failed (%w):\n%s", p.name, err, lastLines(output.String(), 30))
	}
	return os.Rename(partial, filepath.Join(bin, p.name))
}

// buildLock waits until no other process builds into the folder.
func buildLock(bin string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(bin, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		s := begin("another build is running", "waiting for it")
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
		s.end(err)
	}
	return func() { file.Close() }, err
}

// lastLines is the end of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
