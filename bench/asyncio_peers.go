package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed peers
var peerFiles embed.FS

// peers are the candidates in other languages, ready to be started.
type peers struct {
	dir     string   // of their files
	pythons []python // asyncio and uvloop
	epoll   program  // the server in C
}

// A python is an interpreter with an event loop.
type python struct {
	program // without the script
	loop    string
	dir     string // of the scripts
}

// does returns the program that runs a script.
func (p python) does(script string, args ...string) program {
	if p.absent == "" {
		p.command = append([]string{p.command[0], filepath.Join(p.dir, script), p.loop}, args...)
	}
	return p.program
}

// preparePeers unpacks and builds what this machine can run. Remove dir when
// done.
func preparePeers() (*peers, error) {
	dir, err := unpackPeers()
	if err != nil {
		return nil, err
	}
	return &peers{dir: dir, pythons: findPythons(dir), epoll: buildEpoll(dir)}, nil
}

// unpackPeers writes the files of the peers to a folder. Remove it when done.
func unpackPeers() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "braid-bench"); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	files, err := fs.Sub(peerFiles, "peers")
	if err != nil {
		return dir, err
	}
	return dir, os.CopyFS(dir, files)
}

// buildEpoll compiles the server in C.
func buildEpoll(dir string) program {
	p := program{name: "epoll in C, gcc -O2", command: []string{filepath.Join(dir, "echo")}}
	if _, err := exec.LookPath("gcc"); err != nil {
		p.absent = "no gcc; on Debian: apt-get install gcc libc6-dev"
		return p
	}
	cmd := exec.Command("gcc", "-O2", "-o", p.command[0], filepath.Join(dir, "echo.c"))
	if out, err := cmd.CombinedOutput(); err != nil {
		p.absent = fmt.Sprintf("cannot be compiled: %v\n%s\non Debian: apt-get install gcc libc6-dev", err, out)
	}
	return p
}

// findPythons returns asyncio and uvloop of one interpreter, so that only the
// loop differs: the one that the user calls python3, unless only the system's has
// uvloop.
func findPythons(dir string) []python {
	const probe = `
import platform
try:
    import uvloop
    version = uvloop.__version__
except ImportError:
    version = ""
print(platform.python_implementation(), platform.python_version(), version)`
	asyncio := python{dir: dir, loop: "asyncio", program: program{name: "asyncio", absent: "no python3; on Debian: apt-get install python3"}}
	uvloop := python{dir: dir, loop: "uvloop", program: program{name: "uvloop", absent: "no python3 has it; on Debian: apt-get install python3-uvloop"}}
	for _, interpreter := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.Command(interpreter, "-c", probe).Output()
		words := strings.Fields(string(out))
		if err != nil || len(words) < 2 {
			continue
		}
		version := words[0] + " " + words[1]
		found := program{name: "asyncio, " + version, command: []string{interpreter}, python: version}
		if len(words) == 3 {
			asyncio.program, uvloop.program = found, found
			uvloop.name = "uvloop " + words[2] + ", " + version
			break
		}
		if asyncio.absent != "" {
			asyncio.program = found
		}
	}
	return []python{asyncio, uvloop}
}
