package command

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
)

// The test binary plays the commands, so that the tests need no others.
const roleVar = "BRAID_COMMAND_TEST_ROLE"

func TestMain(m *testing.M) {
	name := os.Getenv(roleVar)
	if name == "" {
		os.Exit(m.Run())
	}
	os.Unsetenv(roleVar) // the role of this process, not of its children
	role, ok := roles[name]
	if !ok {
		panic("no such role: " + name)
	}
	os.Exit(role(os.Args[1:]))
}

var roles = map[string]func(args []string) int{
	// args prints its arguments, each with a NUL at its end.
	"args": func(args []string) int {
		for _, a := range args {
			fmt.Print(a, "\x00")
		}
		return 0
	},
	// exit writes its second argument to stderr and exits with the first.
	"exit": func(args []string) int {
		fmt.Fprint(os.Stderr, args[1])
		code, _ := strconv.Atoi(args[0])
		return code
	},
	// both writes to both outputs by turns.
	"both": func(args []string) int {
		for range 100 {
			fmt.Println("out")
			fmt.Fprintln(os.Stderr, "err")
		}
		return 0
	},
	// blocks writes args[0] blocks of args[1] bytes of the character args[2],
	// and does not look whether that worked.
	"blocks": func(args []string) int {
		n, _ := strconv.Atoi(args[0])
		size, _ := strconv.Atoi(args[1])
		block := bytes.Repeat([]byte(args[2]), size)
		for range n {
			os.Stdout.Write(block)
		}
		return 0
	},
	// hold writes like blocks, says so in the pipe args[3], and waits until
	// somebody opens the pipe args[4].
	"hold": func(args []string) int {
		n, _ := strconv.Atoi(args[0])
		size, _ := strconv.Atoi(args[1])
		os.Stdout.Write(bytes.Repeat([]byte(args[2]), n*size))
		say(args[3], "written")
		listen(args[4])
		return 0
	},
	// cat copies its input.
	"cat": func([]string) int {
		io.Copy(os.Stdout, os.Stdin)
		return 0
	},
	// env prints its environment and its working directory.
	"env": func([]string) int {
		dir, _ := os.Getwd()
		fmt.Println(strings.Join(os.Environ(), "\n"))
		fmt.Println("cwd=" + dir)
		return 0
	},
	// stubborn ignores SIGTERM; it says so in the pipe args[0], and again when
	// one came, until it is killed.
	"stubborn": func(args []string) int {
		c := make(chan os.Signal, 8)
		signal.Notify(c, syscall.SIGTERM)
		say(args[0], "ready")
		for range c {
			say(args[0], "asked")
		}
		return 1
	},
	// polite exits with code 0 when it is asked to end, after some last words.
	"polite": func(args []string) int {
		c := make(chan os.Signal, 8)
		signal.Notify(c, syscall.SIGTERM)
		say(args[0], "ready")
		<-c
		fmt.Println("last words")
		return 0
	},
	// parent runs itself in the role args[0], with the other arguments, and
	// waits; a signal ends it at once.
	"parent": func(args []string) int {
		p, err := os.StartProcess(os.Args[0], append([]string{"child"}, args[1:]...), &os.ProcAttr{
			Env:   append(os.Environ(), roleVar+"="+args[0]),
			Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		})
		if err != nil {
			panic(err)
		}
		p.Wait()
		return 0
	},
	// deserter starts a process that prints "late" when it is told to, and is
	// gone before.
	"deserter": func(args []string) int {
		fmt.Println("early")
		if _, err := os.StartProcess(os.Args[0], append([]string{"child"}, args...), &os.ProcAttr{
			Env:   append(os.Environ(), roleVar+"=late"),
			Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		}); err != nil {
			panic(err)
		}
		return 0
	},
	"late": func(args []string) int {
		listen(args[0])
		fmt.Println("late")
		fmt.Fprintln(os.Stderr, "late")
		say(args[1], "done")
		return 0
	},
	// runner is a process that runs hold with a Runner, to be killed.
	"runner": func(args []string) int {
		r, err := NewRunner(Config{Spool: args[0]})
		if err != nil {
			panic(err)
		}
		_, err = r.Run(context.Background(), play("hold", "1", "1000000", "x", args[1], args[2]))
		panic(err) // it was to be killed before
	},
	// crowded runs a command with no descriptor to spare, prints the error, and
	// how many files it had open before and after.
	"crowded": func(args []string) int {
		r, err := NewRunner(Config{})
		if err != nil {
			panic(err)
		}
		fill := openAll()
		_, err = r.Run(context.Background(), play("args"))
		// Four are free for both ends of the outputs, none for the start.
		for _, f := range fill[:4] {
			f.Close()
		}
		_, err2 := r.Run(context.Background(), play("args"))
		refill := openAll()
		fmt.Printf("%v\n%v\n%d\n", err, err2, len(refill))
		return 0
	},
}

// say writes a line to a named pipe, as soon as somebody reads it.
func say(pipe, line string) {
	f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(f, line)
	f.Close()
}

// listen reads a line from a named pipe.
func listen(pipe string) string {
	f, err := os.Open(pipe)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	if err != nil {
		panic(err)
	}
	return strings.TrimSuffix(line, "\n")
}

// openAll opens files until no more can be.
func openAll() []*os.File {
	var files []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return files
		}
		files = append(files, f)
	}
}

// play returns the command that plays a role.
func play(role string, args ...string) Command {
	return Command{Args: append([]string{os.Args[0]}, args...), Env: []string{roleVar + "=" + role}}
}

// newRunner returns a Runner whose test fails if anything is left behind.
func newRunner(t *testing.T, cfg Config) *Runner {
	t.Helper()
	proctest.Check(t)
	r, err := NewRunner(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// mustRun runs a command that has to end well, and returns what it wrote.
func mustRun(t *testing.T, r *Runner, c Command) (stdout, stderr string) {
	t.Helper()
	res, err := r.Run(t.Context(), c)
	defer res.Close()
	if err != nil {
		t.Fatal(err)
	}
	return text(t, res.Stdout), text(t, res.Stderr)
}

func text(t *testing.T, o *Output) string {
	t.Helper()
	var b strings.Builder
	n, err := o.WriteTo(&b)
	if err != nil || n != o.Size() || n != int64(b.Len()) {
		t.Fatalf("WriteTo = %d, %v with %d bytes written; the size is %d", n, err, b.Len(), o.Size())
	}
	return b.String()
}

// as returns the error of type E in err.
func as[E error](t *testing.T, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	if !ok {
		t.Fatalf("error is %T (%v), want %T in it", err, err, e)
	}
	return e
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error is %q, want %q in it", err, part)
		}
	}
}
