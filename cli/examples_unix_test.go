//go:build unix

package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The examples of the documentation, each with what it has to print, as a regular
// expression for standard output. An example that is not here fails the test.
var examples = map[string]string{
	`braid compare sha256 --glob "$(go env GOROOT)/src/**/*.go"`:                               `(?s)^2 inputs.*All engines gave the same results.*Use (serial|threads|async|processes):`,
	`braid run -- gzip -k {} ::: *.log`:                                                        `^$`,
	`braid tour`:                                                                               `(?s)Thread 1: 0.*Both threads have finished.*Async Task 2: E\nBoth coroutines have finished.*Process 2: E\n.*Both processes have finished`,
	`braid run sha256 --glob 'src/**/*.go'`:                                                    `(?s)^[0-9a-f]{64}  src/.*\n[0-9a-f]{64}  src/`,
	`find . -name '*.log' -print0 | braid run gzip --out packed -0`:                            `one.log.*packed/one.log.gz`,
	`braid run -j 8 --retries 3 --timeout 10s fetch --from urls.txt`:                           `(?m)^200  5 bytes`,
	`braid run -j 8 --retries 3 fetch --from urls.txt`:                                         `(?m)^200  5 bytes`,
	`braid run --engine async -j 1000 fetch --from urls.txt`:                                   `(?m)^200  5 bytes`,
	`braid run --engine processes --memory 512M --timeout 1m gzip --out packed --glob '*.log'`: `one.log.*packed/one.log.gz`,
	`braid run -- convert {} {.}.png ::: *.jpg`:                                                `(?m)^b c.jpg to b c.png$`,
	`braid run --csv --from people.csv -- ./greet --name {name} --city {city}`:                 `(?m)^greet --name Ada --city London, UK$`,
	`braid run --csv --from people.csv -- ./greet {name}`:                                      `(?m)^greet Ada$`,
	`braid run --shell -- 'sort {} | uniq -c > {.}.counts' ::: *.txt`:                          `^$`,
	`braid run --env 'OUT={.}.sorted' -- sh -c 'sort "$1" > "$OUT"' sh {} ::: *.txt`:           `^$`,
	`braid run --halt now,fail=1 -k -- make -C {} ::: */`:                                      `(?s)^made bin/.*made src/`,
	`braid run --memfree 64M --results kept -- wc -l {} ::: *.log`:                             `(?m)^ *[0-9]+ .*\.log$`,
	`braid compare -- gzip -c {} ::: *.log`:                                                    `(?s)^2 inputs.*same results`,
	`braid compare sleep 100ms 100ms 100ms 100ms`:                                              `(?s)^4 inputs.*same results.*Use .*: .*the work waits`,
	`braid compare --json -j 4 -- gzip -c {} ::: *.log`:                                        `^{"inputs":2,`,
}

// slow are the examples that take long.
var slow = []string{"braid tour"}

func TestExamples(t *testing.T) {
	needTool(t, "sh", "find", "gzip", "sort", "uniq")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	t.Cleanup(server.Close)
	commands := documented(t)
	for example := range examples {
		if !slices.Contains(commands, example) {
			t.Errorf("nothing documents %q any more", example)
		}
	}
	t.Run("all", func(t *testing.T) {
		for _, command := range commands {
			want, ok := examples[command]
			if !ok {
				t.Errorf("the documentation has an example that is not tested: %q", command)
				continue
			}
			t.Run(command, func(t *testing.T) {
				if testing.Short() && slices.Contains(slow, command) {
					t.Skip("it takes seconds")
				}
				t.Parallel()
				cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
				cmd.Dir = exampleDir(t, server.URL)
				cmd.Env = append(os.Environ(), "PATH="+filepath.Join(cmd.Dir, "bin")+":"+os.Getenv("PATH"))
				var talk strings.Builder
				cmd.Stderr = &talk
				out, err := cmd.Output()
				if err != nil || !regexp.MustCompile(want).Match(out) {
					t.Errorf("%v\noutput:\n%s\nwant a match of %s\nerror:\n%s", err, out, want, talk.String())
				}
			})
		}
	})
}

// documented returns the command lines of the README, the package's documentation,
// the help texts and topics.
func documented(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i, block := range strings.Split(string(readme), "```") {
		if i%2 == 1 {
			lines = append(lines, strings.Split(block, "\n")...)
		}
	}
	root := (&app{name: "braid"}).rootCommand()
	for _, c := range append(root.Commands(), root) {
		lines = append(lines, strings.Split(c.Example+"\n"+c.Long, "\n")...)
	}
	var commands []string
	runs := regexp.MustCompile(`^(find .*\| )?braid (run|compare|tour|tasks)\b`)
	for _, l := range lines {
		l, _, _ = strings.Cut(l, "  #")
		if l = strings.TrimSpace(l); runs.MatchString(l) && !slices.Contains(commands, l) {
			commands = append(commands, l)
		}
	}
	if len(commands) < 10 {
		t.Fatalf("only %d examples were found: %q", len(commands), commands)
	}
	return commands
}

// exampleDir makes a folder with what the examples use.
func exampleDir(t *testing.T, url string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "examples") // t.TempDir would have $ and ( in its name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	script := func(body string) string { return "#!/bin/sh\n" + body + "\n" }
	for name, text := range map[string]string{
		"src/a.go": "a", "src/deep/b.go": "b", "goroot/src/a.go": "a", "goroot/src/x/b.go": "b",
		"one.log": "one\n", "two.log": "two\n", "a.jpg": "", "b c.jpg": "",
		"words.txt": "b\na\nb\n", "more.txt": "a\n",
		"urls.txt":    url + "/a\n" + url + "/b\n",
		"people.csv":  "name,city\nAda,\"London, UK\"\nBob,Paris\n",
		"greet":       script(`echo greet "$@"`),
		"bin/go":      script(`echo ` + dir + `/goroot`), // the real one is too large
		"bin/convert": script(`echo "$1 to $2"`),
		"bin/make":    script(`echo "made $2"`),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The README's program has the command for its own task, and its own name.
func TestOwnProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	t.Parallel()
	needTool(t, "go")
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("testdata/filesize/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+string(program)+"```") {
		t.Error("the README's program is not testdata/filesize/main.go")
	}
	run := buildProgram(t, "filesize")
	info, err := os.Stat("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	o := run("run", "size", "doc.go", "missing")
	o.want(t, exitFailed, "filesize: stat missing: no such file", "filesize: 2 done, 1 failed")
	if want := fmt.Sprintln(info.Size()); o.out != want {
		t.Errorf("output %q, want %q", o.out, want)
	}
	o = run("tasks")
	if o.out != "size  string  file → its size\n" {
		t.Errorf("tasks: %q", o.out)
	}
	run("run", "sha256", "doc.go").want(t, exitUsage, `there is no task "sha256"`, "Try: filesize tasks")
	o = run("run", "--engine", "processes", "-q", "size", "doc.go", "missing")
	o.want(t, exitFailed, "filesize: stat missing: no such file")
	if want := fmt.Sprintln(info.Size()); o.out != want {
		t.Errorf("on processes: output %q", o.out)
	}
	if o := run("--help"); !strings.Contains(o.out, "filesize run") {
		t.Errorf("help: %s", o.out)
	}
}

// buildProgram builds a program of testdata, and returns a function that runs it.
func buildProgram(t *testing.T, name string) func(args ...string) outcome {
	t.Helper()
	bin := filepath.Join(t.TempDir(), name)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./testdata/"+name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return func(args ...string) outcome {
		var out, talk strings.Builder
		cmd := exec.CommandContext(t.Context(), bin, args...)
		cmd.Stdout, cmd.Stderr = &out, &talk
		_ = cmd.Run()
		return outcome{cmd.ProcessState.ExitCode(), out.String(), talk.String()}
	}
}

// A program that calls Run alone, and not what worker processes need, is told so. All
// else works.
func TestProgramWithoutMain(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	t.Parallel()
	needTool(t, "go")
	run := buildProgram(t, "nomain")
	const says = `add the line "multiprocessing.Main()" as the first statement of main`
	run("run", "--engine", "processes", "echo", "x").want(t, exitUsage, says, "Try: --engine threads")
	run("compare", "--engines", "serial,processes", "echo", "x").want(t, exitUsage, says)
	if o := run("run", "-q", "echo", "x"); o.code != exitOK || o.out != "x\n" {
		t.Errorf("on threads: %+v", o)
	}
	o := run("compare", "--rounds", "1", "echo", "x")
	o.want(t, exitOK, "nomain: without processes: ", says)
	if !strings.Contains(o.out, "same results") || strings.Contains(o.out, "processes") {
		t.Errorf("compared:\n%s", o.out)
	}
}
