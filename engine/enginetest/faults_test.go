package enginetest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-braid/braid/engine/enginetest"
)

// A fault is a way for a pool to break a rule.
type fault string

const (
	none                fault = ""
	losesCall           fault = "a call is forgotten"
	startRuns           fault = "Start runs the call"
	keepsForeignParker  fault = "the body has the parker of the submitter"
	dropsContext        fault = "the body has a context of its own"
	losesSlotToGoexit   fault = "a Goexit costs a slot"
	deafInQueue         fault = "the context is not heeded in the queue"
	keepsPlace          fault = "a cancelled call keeps its place"
	deafToQueueDeadline fault = "the context that Submit returns is not used"
	tooWide             fault = "one call more than workers runs"
	blocksSubmitter     fault = "a submitter that waits is blocked, not parked"
	waitsInstead        fault = "Start waits although it should refuse"
	neverLends          fault = "slots are not lent"
	neverReclaims       fault = "woken tasks do not wait for a slot"
	lendsTwice          fault = "a slot is lent twice"
	parksSilently       fault = "the listener is not told of parking"
	deafToFinished      fault = "the listener is not told of the end"
	neverClosed         fault = "calls are admitted after Close"
	closesEarly         fault = "Close does not wait"
	closesDeaf          fault = "Close does not heed its context"
	forgetsSubmitters   fault = "Close leaves submitters waiting"
	drainsNothing       fault = "Drain does not wait"
	keepsCall           fault = "calls are kept"
	leaksGoroutine      fault = "a goroutine is left behind"
	leaksDescriptor     fault = "a descriptor is left open"
)

// caught says for each fault a rule that finds it.
var caught = map[fault][]string{
	losesCall:           {"admit/ExactlyOnce", "events/Load"},
	startRuns:           {"admit/Returns"},
	keepsForeignParker:  {"admit/Parker"},
	dropsContext:        {"admit/Context", "cancel/Running", "deadline/Caller"},
	losesSlotToGoexit:   {"run/Goexit", "run/FailNow", "run/PanicInGoexit", "run/GoexitInPanic", "run/Mishaps"},
	deafInQueue:         {"cancel/Queued", "cancel/QueuedAll", "deadline/Queue", "leaks/Queue"},
	keepsPlace:          {"cancel/QueuedPlace", "deadline/QueueRetried"},
	deafToQueueDeadline: {"deadline/Queue", "deadline/QueueIsFailure", "deadline/QueueForRoom"},
	tooWide:             {"run/Width", "saturate/Bound"},
	blocksSubmitter:     {"saturate/WaitsOnStrand"},
	waitsInstead:        {"saturate/Refuses", "events/Saturated"},
	neverLends:          {"nest/Deep", "nest/Map", "nest/Scope", "nest/Sleep", "nest/Wait", "same/Nested"},
	neverReclaims:       {"nest/Bound", "nest/Slots"},
	lendsTwice:          {"nest/RawAfter"},
	parksSilently:       {"events/Parked"},
	deafToFinished:      {"events/Success", "events/BeforeResult", "events/Closed"},
	neverClosed:         {"close/After"},
	closesEarly:         {"close/WaitsForRunning", "close/Queued"},
	closesDeaf:          {"close/Context", "close/FromTask"},
	forgetsSubmitters:   {"close/Waiting"},
	drainsNothing:       {"close/Drain", "close/DrainContext"},
	keepsCall:           {"leaks/Call", "leaks/Queue"},
	leaksGoroutine:      {"leaks/Goroutines", "admit/Results"},
	leaksDescriptor:     {"close/Again"},
}

// faultVariable names the fault of the pool that TestPool tests.
const faultVariable = "BRAID_ENGINETEST_FAULT"

func TestPool(t *testing.T) {
	enginetest.Run(t, open(fault(os.Getenv(faultVariable))), all)
}

func TestPoolOutside(t *testing.T) {
	caps := all
	caps.NoBubble = true
	enginetest.Run(t, open(none), caps)
}

func TestPoolThatRefuses(t *testing.T) {
	caps := all
	caps.Waits = false
	enginetest.Run(t, open(none), caps)
}

func TestPoolThatNeverLends(t *testing.T) {
	enginetest.Run(t, open(neverLends), enginetest.Caps{Bounded: true, Waits: true, Refuses: true, Drains: true})
}

func TestPoolWithoutClosures(t *testing.T) {
	caps := all
	caps.NoClosures = true
	enginetest.Run(t, open(none), caps)
}

// TestFaults tests that the suite finds what it is there to find: for each fault
// and each rule that is to catch it, the test binary runs that rule on a pool
// with the fault, and the rule must fail, and say so.
func TestFaults(t *testing.T) {
	for f, rules := range caught {
		for _, rule := range rules {
			t.Run(string(f)+"/"+rule, func(t *testing.T) {
				t.Parallel()
				if f == leaksDescriptor && !countsDescriptors {
					return // nothing to find it with
				}
				moment, name, _ := strings.Cut(rule, "/")
				cmd := exec.Command(os.Args[0], "-test.run=^TestPool$/^"+moment+"$/^"+name+"$", "-rapid.nofailfile")
				cmd.Env = append(os.Environ(), faultVariable+"="+string(f))
				out, err := cmd.CombinedOutput()
				if err == nil {
					t.Fatalf("the rule %s does not find the fault", rule)
				}
				for _, want := range []string{"--- FAIL: TestPool/" + rule, "the broken rule: "} {
					if !strings.Contains(string(out), want) {
						t.Errorf("the failure does not say %q:\n%s", want, out)
					}
				}
			})
		}
	}
}
