package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// dependency is something that comes from the distribution.
type dependency struct {
	program string // looked up in PATH and the system folders, unless it is an absolute path
	debian  string // the Debian package that has it
	use     string
}

var dependencies = []dependency{
	{"runc", "runc", "starts containers"},
	{cniFolder + "/bridge", "containernetworking-plugins", "gives pods their network"},
	{cniFolder + "/host-local", "containernetworking-plugins", "gives pods their addresses"},
	{cniFolder + "/portmap", "containernetworking-plugins", "host ports"},
	{cniFolder + "/loopback", "containernetworking-plugins", "gives pods their loopback"},
	{"nft", "nftables", "Services"},
	{"iptables", "iptables", "host ports"},
	{"ip", "iproute2", "the node's network"},
	{"buildah", "buildah", "builds images without an engine"},
	{"mmdebstrap", "mmdebstrap", "makes the base image without a registry"},
	{"pip3", "python3-pip", "installs the Python clients that test the simulator"},
}

// cniFolder is where Debian puts the network plugins.
const cniFolder = "/usr/lib/cni"

// systemPath makes programs of the system folders found even where PATH is a plain user's.
func systemPath() string { return os.Getenv("PATH") + ":/usr/sbin:/sbin:/usr/local/sbin" }

// ensureDependencies installs what is missing where it can, and otherwise says in one message what is missing.
func ensureDependencies() error {
	missing := missingDependencies()
	if len(missing) == 0 {
		return nil
	}
	packages := packagesOf(missing)
	_, noApt := exec.LookPath("apt-get")
	if os.Geteuid() != 0 || noApt != nil {
		return missingError(missing, "On Debian or Ubuntu: apt-get install "+strings.Join(packages, " "))
	}
	if err := apt("refresh the package lists", "update"); err != nil {
		return err
	}
	install := append([]string{"install", "-y", "--no-install-recommends"}, packages...)
	if err := apt("install "+strings.Join(packages, " "), install...); err != nil {
		return err
	}
	if missing := missingDependencies(); len(missing) > 0 {
		return missingError(missing, "They are still missing after their packages were installed.")
	}
	return nil
}

func missingDependencies() []dependency {
	os.Setenv("PATH", systemPath())
	return slices.DeleteFunc(slices.Clone(dependencies), func(d dependency) bool {
		_, err := exec.LookPath(d.program)
		return err == nil
	})
}

func packagesOf(missing []dependency) []string {
	var packages []string
	for _, d := range missing {
		packages = append(packages, d.debian)
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

func missingError(missing []dependency, remedy string) error {
	text := "some programs are missing:\n"
	for _, d := range missing {
		text += fmt.Sprintf("  %-24s %s\n", d.program, d.use)
	}
	return fmt.Errorf("%s%s", text, remedy)
}

// apt runs apt-get quietly; its output is shown only when it fails.
func apt(label string, args ...string) (err error) {
	s := begin(label, "")
	defer func() { s.end(err) }()
	cmd := exec.Command("apt-get", append([]string{"-q"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get %s failed (%w):\n%s", args[0], err, lastLines(output.String(), 20))
	}
	return nil
}
