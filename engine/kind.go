package engine

// A Kind is what the calls of one task have in common: its name, and how they are to be
// treated. Calls share it, so it does not change. Make one with [NewKind]. See
// [Call.InitKind].
type Kind struct {
	task   string // empty for closures without a name
	policy Policy
}

// noKind is the kind of calls that have neither a name nor a policy.
var noKind Kind

// NewKind returns a kind of calls; without a name and a policy it allocates nothing.
func NewKind(task string, policy Policy) *Kind {
	if task == "" && policy.isZero() {
		return &noKind
	}
	return &Kind{task, policy}
}

// Is reports whether k is the kind of calls with this name and policy. Functions of the
// policy cannot be compared, so with any of them it is not.
func (k *Kind) Is(task string, p *Policy) bool {
	q := &k.policy
	return k.task == task && q.Retry.On == nil && p.Retry.On == nil &&
		q.Retry.Max == p.Retry.Max && q.Retry.Base == p.Retry.Base && q.Retry.Cap == p.Retry.Cap &&
		q.Timeout == p.Timeout && q.QueueTimeout == p.QueueTimeout && q.Priority == p.Priority &&
		q.Limit == p.Limit && q.Unordered == p.Unordered && q.Idempotent == p.Idempotent && q.Join == p.Join
}
