package strand

import "fmt"

// An Op is what a strand is about to wait for. It is published when the strand
// parks: a list of living strands shows it, a deadlock report follows it from
// waiter to object to owner, and a simulator decides by it which strands can
// affect one another.
//
// An Op is passed by value and holds one pointer: publishing it costs nothing
// beyond storing it.
type Op struct {
	// Object is the pointer of the object waited for, such as a *Mutex. It is
	// nil for an operation that waits for none.
	Object any
	// Kind says what is being done.
	Kind Kind
	// Access says whether the operation changes the object.
	Access Access
	// Outside says that the wait can be ended by something outside of the program,
	// such as another process, so that it is no deadlock if all strands wait.
	Outside bool
}

// String describes the operation, such as "lock *strand.Mutex(0xc000012345)".
func (o Op) String() string {
	if o.Object == nil {
		return o.Kind.String()
	}
	return fmt.Sprintf("%v %T(%p)", o.Kind, o.Object, o.Object)
}

// A Kind names an operation that can park a strand.
type Kind uint8

// The operations that can park a strand.
const (
	OpNone    Kind = iota // not parked
	OpSleep               // waits for time to pass
	OpYield               // lets others run
	OpLock                // waits for a mutex
	OpAcquire             // waits for permits of a semaphore, or for a slot
	OpWait                // waits for an event, or for a set of strands
	OpPut                 // waits for room in a queue
	OpGet                 // waits for an item of a queue
	OpAwait               // waits for the result of a task
	OpRead                // waits for bytes to read, or a packet
	OpWrite               // waits until bytes can be written
	OpAccept              // waits for a connection from outside
	OpConnect             // waits for a connection to be made
	OpExit                // waits for the end of a process
	OpSignal              // waits for a signal
)

// Outside reports whether k waits for something that comes from outside of the program's
// strands, such as bytes, or the end of a process. Whoever parks with such a kind says
// that it can be woken though no strand is left to do so: it is not in a deadlock.
func (k Kind) Outside() bool { return OpRead <= k && k <= OpSignal }

var kindNames = [...]string{"none", "sleep", "yield", "lock", "acquire", "wait", "put", "get", "await",
	"read", "write", "accept", "connect", "exit", "signal"}

// String returns the operation's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// An Access says whether an operation only looks at its object or changes it.
// Two reads of one object commute.
type Access uint8

// The two ways to touch an object.
const (
	Read  Access = iota // the object stays as it is
	Write               // the object changes
)

// String returns "read" or "write".
func (a Access) String() string {
	if a == Write {
		return "write"
	}
	return "read"
}
