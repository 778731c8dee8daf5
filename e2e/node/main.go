// Command node builds and runs a real one-node Kubernetes from Go modules, inside namespaces of its own.
//
// It needs root, but neither a container engine nor an image registry. What each file does:
//
//	main.go        the commands
//	paths.go       where things are kept
//	deps.go        programs that come from the distribution
//	build.go       compiling the Kubernetes programs into the cache
//	programs.go    which programs, from which module, with which version stamp
//	pauseimage.go  the image of the pods' sandbox, packed without an image builder
//	progress.go    what a person sees meanwhile
//	instance.go    one named node: its state folder, lock and cleaning up
//	supervise.go   the process on the host that owns a node
//	pidone.go      process 1 of a namespace: reaps, and takes everything with it
//	manage.go      the process inside that starts the components and watches them
//	isolate.go     mounts and network inside
//	components.go  the command lines of the components
//	config.go      the files they read
//	pki.go         certificates and kubeconfigs
//	cgroups.go     the node's own part of the cgroup tree
//	forward.go     the way from the host to the API server
//	api.go         a very small API client
//	volumes.go     the storage class and its pool of volumes
//	dns.go         names of Services
//	commands.go    up, down, status, load
//	run.go         a command with a fresh node of its own
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

const usage = `node: a real one-node Kubernetes for demos and end-to-end tests

  node deps                         check the programs that come from the distribution, install missing ones
  node build                        build Kubernetes, containerd, etcd and helm into the cache
  node up [--name NAME]             start a node and wait until it is ready (default name: demo)
  node down [--name NAME]           end it and remove its state
  node status [--name NAME]         tell how it is (exit code 0: ready, 3: not)
  node kubeconfig [--name NAME]     print the path of its kubeconfig
  node bin                          print the folder with kubectl, helm, ctr
  node load [--name NAME] TAR...    import image archives
  node run [--name NAME] -- CMD...  run CMD with a fresh node of its own, and end the node afterwards

Environment: MARKETSTREAM_CACHE (default ~/.cache/marketstream) holds the programs and the nodes' state.
`

// exitCode is an error that only carries the program's exit code: everything was already said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func init() {
	// The main goroutine stays on the main thread: the kernel binds "die with your parent" to the thread that
	// started the child, and only the main thread lives as long as the process.
	runtime.LockOSThread()
}

func main() {
	err := dispatch(os.Args[1:])
	var code exitCode
	switch {
	case err == nil:
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

// dispatch runs one command line.
func dispatch(args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitCode(2)
	}
	command, args := args[0], args[1:]
	switch command {
	case "help", "-h", "--help":
		fmt.Print(usage)
		return nil
	case pidOneCommand:
		return pidOne(args)
	}

	name, rest, err := nameFlag(args)
	if err != nil {
		return err
	}
	if command != "load" && command != "run" && len(rest) > 0 {
		return fmt.Errorf("%s: what is %q? See `node help`", command, rest[0])
	}
	switch command {
	case "deps":
		return ensureDependencies()
	case "build":
		return buildAll()
	case "up":
		return up(orDefault(name))
	case "down":
		return down(orDefault(name))
	case "status":
		return status(orDefault(name))
	case "kubeconfig":
		return printKubeconfig(orDefault(name))
	case "bin":
		return printBin()
	case "load":
		return load(orDefault(name), rest)
	case "run":
		return run(name, rest)
	case superviseCommand:
		return superviseDetached(name)
	case manageCommand:
		return manage(name)
	}
	return fmt.Errorf("no such command: %s. See `node help`", command)
}

// nameFlag takes --name NAME (or --name=NAME) off the front of the arguments.
func nameFlag(args []string) (name string, rest []string, err error) {
	for len(args) > 0 {
		switch {
		case args[0] == "--":
			return name, args, checkName(name)
		case args[0] == "--name" && len(args) > 1:
			name, args = args[1], args[2:]
		case strings.HasPrefix(args[0], "--name="):
			name, args = strings.TrimPrefix(args[0], "--name="), args[1:]
		case strings.HasPrefix(args[0], "-"):
			return "", nil, fmt.Errorf("what is %q? See `node help`", args[0])
		default:
			return name, args, checkName(name)
		}
	}
	return name, nil, checkName(name)
}

// checkName refuses names that would not do as a file, cgroup or cluster name.
func checkName(name string) error {
	ok := len(name) <= 30 && !strings.HasPrefix(name, "-") && !slices.ContainsFunc([]rune(name), func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	})
	if !ok {
		return fmt.Errorf("the name %q will not do: at most 30 of a-z, 0-9 and '-', not starting with '-'", name)
	}
	return nil
}

func orDefault(name string) string {
	if name == "" {
		return "demo"
	}
	return name
}
