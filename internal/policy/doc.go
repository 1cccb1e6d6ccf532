// Package policy holds the module to its own rules. It has only tests:
//
//   - which package may import which, and what the core may depend on
//     (imports_test.go, a table that reads as the rule);
//   - the public API as text, in api/braid.txt (api_test.go);
//   - every exported name is documented (doc_test.go);
//   - files stay short, carry no markers of unfinished work and no paths of
//     somebody's machine, and tests do not sleep (text_test.go).
//
// Each check is a function from a tree of files to a list of complaints, so
// that it is itself tested, on small trees that break the rule.
package policy
