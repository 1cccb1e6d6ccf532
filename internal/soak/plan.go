package main

import (
	"hash/crc32"
	"math/bits"
	"time"
)

// A kind says what a call does, or which fault is injected from outside.
type kind uint8

// A scope says whom a fault from inside can hit.
type scope uint8

const (
	harmless scope = iota // nobody: the worker lives
	self                  // the worker dies of it while it runs the call
	later                 // the worker dies of it, perhaps when it runs another call already
)

// The kinds. Those of calls stand first, since a call's number carries its kind.
const (
	normal  kind = iota // an innocent call, submitted alone
	mapped              // an innocent call of Map, tiny or not
	flaking             // fails now and then, and is retried

	exitZero // inside, while it runs
	exitCode
	panics
	nilDeref
	goexits
	fatal
	stackOverflow
	outOfMemory
	panicElsewhere
	nilElsewhere
	exitElsewhere
	killSelf
	stopSelf
	hangs
	hangsDeaf
	hangsStubborn
	spins
	waits
	closesFiles
	closesAndReturns
	garbles
	mutes
	floods
	family
	familyHangs
	openFiles

	decodePanics // inside, while the argument is read
	decodeFails
	decodeExits
	decodeGoexits
	decodeHangs

	encodePanics // inside, while the result is written
	encodeFails
	encodeExits
	encodeGoexits
	resultTooLarge

	exitsAfter // inside, after the result

	submitPanics // in the program, while the argument is written
	submitFails
	submitGoexits
	argumentTooLarge
	resultPanics // in the program, while the result is read
	resultFails
	resultGoexits

	initExits // in Config.Init

	sigKill // from outside
	sigTerm
	sigHup
	sigSegv
	sigAbrt
	sigQuit
	sigStop
	sigStopCont
	killGroup
	killAll
	killAtStart
	sigNoise
	ownNoise

	kinds int = iota
)

const (
	firstFault   = exitZero
	firstOutside = sigKill
)

// A trait is what is known of a kind beforehand.
type trait struct {
	name  string
	phase string    // where it strikes; empty: it depends
	scope scope     // of a fault from inside
	may   []outcome // of a call whose worker is not hit by anything else
	trap  bool      // its argument or result does it, not the task
}

var traits = [kinds]trait{
	normal:  {name: "normal", may: []outcome{ok}},
	mapped:  {name: "mapped", may: []outcome{ok}},
	flaking: {name: "flaking", may: []outcome{ok, failed}},

	exitZero:         {name: "os.Exit(0)", phase: "run", scope: self, may: []outcome{crashed}},
	exitCode:         {name: "os.Exit(n)", phase: "run", scope: self, may: []outcome{crashed}},
	panics:           {name: "panic", phase: "run", may: []outcome{panicked}},
	nilDeref:         {name: "nil dereference", phase: "run", may: []outcome{panicked}},
	goexits:          {name: "Goexit", phase: "run", may: []outcome{ended}},
	fatal:            {name: "fatal error", phase: "run", scope: self, may: []outcome{crashed}},
	stackOverflow:    {name: "stack overflow", phase: "run", scope: self, may: []outcome{crashed}},
	outOfMemory:      {name: "out of memory", phase: "run", scope: self, may: []outcome{crashed}},
	panicElsewhere:   {name: "panic, other goroutine", phase: "run", scope: self, may: []outcome{crashed}},
	nilElsewhere:     {name: "nil deref, other goroutine", phase: "run", scope: self, may: []outcome{crashed}},
	exitElsewhere:    {name: "os.Exit, other goroutine", phase: "run", scope: self, may: []outcome{crashed}},
	killSelf:         {name: "kills itself", phase: "run", scope: self, may: []outcome{crashed}},
	stopSelf:         {name: "stops itself", phase: "run", scope: self, may: []outcome{crashed}},
	hangs:            {name: "hangs until timeout", phase: "run", scope: self, may: []outcome{timedOut}},
	hangsDeaf:        {name: "deaf to cancel", phase: "run", scope: self, may: []outcome{cancelled}},
	hangsStubborn:    {name: "deaf to cancel and SIGTERM", phase: "run", scope: self, may: []outcome{cancelled}},
	spins:            {name: "busy loop", phase: "run", scope: self, may: []outcome{timedOut}},
	waits:            {name: "heeds its cancel", phase: "run", may: []outcome{cancelled}},
	closesFiles:      {name: "closes descriptors, hangs", phase: "run", scope: self, may: []outcome{crashed}},
	closesAndReturns: {name: "closes descriptors, returns", phase: "run", scope: later, may: []outcome{ok, crashed}},
	garbles:          {name: "garbles the links", phase: "run", scope: later, may: []outcome{ok, crashed}},
	mutes:            {name: "stdout, stderr to null", phase: "run", may: []outcome{ok}},
	floods:           {name: "floods stdout", phase: "run", may: []outcome{ok}},
	family:           {name: "leaves children", phase: "run", may: []outcome{ok}},
	familyHangs:      {name: "children, hangs", phase: "run", scope: self, may: []outcome{cancelled}},
	openFiles:        {name: "uses up descriptors", phase: "run", may: []outcome{ok}},

	decodePanics:  {name: "decode: panic", phase: "decode", may: []outcome{unread}, trap: true},
	decodeFails:   {name: "decode: error", phase: "decode", may: []outcome{unread}, trap: true},
	decodeExits:   {name: "decode: os.Exit", phase: "decode", scope: self, may: []outcome{poison}, trap: true},
	decodeGoexits: {name: "decode: Goexit", phase: "decode", may: []outcome{unread}, trap: true},
	decodeHangs:   {name: "decode: hangs", phase: "decode", scope: self, may: []outcome{timedOut}, trap: true},

	encodePanics:   {name: "encode: panic", phase: "encode", may: []outcome{unwritten}, trap: true},
	encodeFails:    {name: "encode: error", phase: "encode", may: []outcome{unwritten}, trap: true},
	encodeExits:    {name: "encode: os.Exit", phase: "encode", scope: self, may: []outcome{crashed}, trap: true},
	encodeGoexits:  {name: "encode: Goexit", phase: "encode", may: []outcome{unwritten}, trap: true},
	resultTooLarge: {name: "encode: too large", phase: "encode", may: []outcome{unwritten}},

	exitsAfter: {name: "os.Exit after the result", phase: "after", scope: later, may: []outcome{ok, crashed}},

	submitPanics:     {name: "submit: panic", phase: "submit", may: []outcome{unsent}, trap: true},
	submitFails:      {name: "submit: error", phase: "submit", may: []outcome{unsent}, trap: true},
	submitGoexits:    {name: "submit: Goexit", phase: "submit", may: []outcome{unsent}, trap: true},
	argumentTooLarge: {name: "submit: too large", phase: "submit", may: []outcome{unsent}},
	resultPanics:     {name: "result: panic", phase: "result", may: []outcome{unreadable}, trap: true},
	resultFails:      {name: "result: error", phase: "result", may: []outcome{unreadable}, trap: true},
	resultGoexits:    {name: "result: Goexit", phase: "result", may: []outcome{unreadable}, trap: true},

	initExits: {name: "init: os.Exit", phase: "init"},

	sigKill:     {name: "SIGKILL"},
	sigTerm:     {name: "SIGTERM"},
	sigHup:      {name: "SIGHUP"},
	sigSegv:     {name: "SIGSEGV"},
	sigAbrt:     {name: "SIGABRT"},
	sigQuit:     {name: "SIGQUIT"},
	sigStop:     {name: "SIGSTOP"},
	sigStopCont: {name: "SIGSTOP, SIGCONT"},
	killGroup:   {name: "SIGKILL to the group"},
	killAll:     {name: "SIGKILL to all workers"},
	killAtStart: {name: "SIGKILL at its start"},
	sigNoise:    {name: "harmless signals"},
	ownNoise:    {name: "harmless signals to the program"},
}

func (k kind) String() string { return traits[k].name }

// An outcome is what became of a call.
type outcome string

const (
	ok         outcome = "ok"
	failed     outcome = "failed"     // the task returned the error that it was to return
	panicked   outcome = "panicked"   // engine.PanicError
	ended      outcome = "ended"      // engine.ErrGoexit
	crashed    outcome = "crashed"    // engine.CrashError
	poison     outcome = "poison"     // engine.ErrPoison
	unsent     outcome = "unsent"     // engine.CodecError in the phases submit,
	unread     outcome = "unread"     // decode,
	unwritten  outcome = "unwritten"  // encode,
	unreadable outcome = "unreadable" // and result
	timedOut   outcome = "timed out"  // engine.Interrupted by the time
	cancelled  outcome = "cancelled"  // engine.Cancelled
	closed     outcome = "closed"     // engine.ErrClosed
	refused    outcome = "refused"    // engine.ErrSaturated
	abandoned  outcome = "abandoned"  // its Map was left before
	broken     outcome = "broken"     // multiprocessing.ErrBroken
	other      outcome = "other"      // an error that no call should have
)

// A form says how the argument and the result of a call travel.
type form uint8

const (
	structured form = iota // a struct: CBOR
	raw                    // bytes
	tiny                   // a number
	trapped                // types with methods of their own
)

// A plan is all that there is to know of a call beforehand. It follows from the seed
// and the number of the call alone.
type plan struct {
	id         uint64
	kind       kind
	form       form
	size       int           // of the payload of its argument
	reply      int           // and of its result
	work       time.Duration // how long it takes
	idempotent bool
	retries    int
	timeout    time.Duration // 0: none
	cancel     time.Duration // after which its driver cancels it; 0: it does not
	chatty     bool          // it reports progress and writes lines
	salt       uint64        // for what else there is to choose
}

const (
	maxPayload = 8 << 20
	maxMessage = maxPayload + 4096 // Config.MaxMessage
)

// callID is the number of the nth call, of a kind.
func callID(n uint64, k kind) uint64 { return n<<8 | uint64(k) }

// planOf returns the plan of a call.
func planOf(seed, id uint64) plan {
	r := dice{state: mix(seed, id)}
	p := plan{id: id, kind: kind(id & 0xff), salt: r.next()}
	if int(p.kind) >= kinds || p.kind >= firstOutside {
		p.kind = normal // no driver makes such a number
	}
	p.form = []form{structured, raw, tiny}[r.n(3)]
	if traits[p.kind].trap {
		p.form = trapped
	}
	p.size, p.reply = r.size(), r.size()
	p.idempotent = r.n(2) == 0
	switch p.kind {
	case normal:
		if r.n(2) == 0 {
			p.work = r.duration(50 * time.Millisecond)
		}
		p.chatty = r.n(8) == 0
		if r.n(8) == 0 {
			p.timeout = time.Millisecond + r.duration(60*time.Millisecond)
		}
		if r.n(8) == 0 {
			p.cancel = 1 + r.duration(30*time.Millisecond)
		}
	case mapped:
		p.form, p.size, p.reply = tiny, 0, 0
		if p.salt%64 == 0 {
			p.work = r.duration(time.Millisecond)
		}
	case flaking:
		p.retries = 2
	case hangs, spins, decodeHangs:
		p.timeout = 10*time.Millisecond + r.duration(60*time.Millisecond)
	case hangsDeaf, hangsStubborn, waits:
		p.cancel = 1 + r.duration(60*time.Millisecond)
	case familyHangs:
		p.cancel = 1 // when it says that its children are there
	case argumentTooLarge:
		p.form, p.size = raw, maxMessage+int(r.n(4096))
	case resultTooLarge:
		p.form, p.reply = raw, maxMessage+int(r.n(4096))
	}
	if p.form == tiny || p.form == trapped {
		p.size, p.reply = 0, 0
	}
	return p
}

// answer is the number that the task is to return.
func (p *plan) answer(seed uint64) uint64 { return mix(seed^0x5eed, p.id) }

// fails says whether a flaking call fails in a process.
func (p *plan) fails(pid int) bool { return mix(p.salt, uint64(pid))%2 == 0 }

// exitCode is what a call of kind exitCode exits with.
func (p *plan) exitCode() int { return 3 + int(p.salt%60) }

// dice are random numbers: splitmix64, by Sebastiano Vigna.
type dice struct{ state uint64 }

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	return finish(d.state)
}

func finish(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func mix(a, b uint64) uint64 { return finish(finish(a+0x9e3779b97f4a7c15) ^ bits.RotateLeft64(b, 32)) }

// n returns a number from 0 to below limit.
func (d *dice) n(limit uint64) uint64 { return d.next() % limit }

// duration returns a time from 0 to below limit.
func (d *dice) duration(limit time.Duration) time.Duration {
	return time.Duration(d.n(uint64(limit)))
}

// size returns the size of a payload: none, or of any order of magnitude up to
// maxPayload, mostly small.
func (d *dice) size() int {
	switch d.n(32) {
	case 0, 1, 2, 3:
		return 0
	case 4:
		return int(d.n(1 << (16 + d.n(8)))) // up to 8 MiB
	}
	return int(d.n(1 << (1 + d.n(14))))
}

// Payloads are pieces of one pattern, each from another place on.
const patternSize = 64 << 10

var pattern = func() []byte {
	b := make([]byte, patternSize)
	d := dice{state: 0x50a4}
	for i := range b {
		b[i] = byte(d.next())
	}
	return b
}()

// fill writes the payload of a number into b.
func fill(b []byte, number uint64) {
	for at := int(mix(1, number) % patternSize); len(b) > 0; at = 0 {
		b = b[copy(b, pattern[at:]):]
	}
}

// checksum returns the checksum of the payload of a number, without making it.
func checksum(n int, number uint64) uint32 {
	sum := uint32(0)
	for at := int(mix(1, number) % patternSize); n > 0; at = 0 {
		piece := pattern[at:min(patternSize, at+n)]
		sum = crc32.Update(sum, castagnoli, piece)
		n -= len(piece)
	}
	return sum
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf returns the checksum of a payload that was received.
func sumOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// replyNumber is the number whose payload a call returns.
func (p *plan) replyNumber() uint64 { return ^p.id }
