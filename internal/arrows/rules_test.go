// Package arrows proves that the imports of this module point the way the house is built:
//
//	cmd → adapters → core/gateway → ports → core/*
//	plugins/* → plugins/sdk (and plugins/wechat)
//
// It holds only tests. The rules are data; engine_test.go reads them against an import graph, and arrows_test.go
// gives it the real one.
package arrows

// A pattern names packages: a path inside this module ("core/pay"), or a standard or foreign one ("net/http");
// with "/..." also those below it. "std" is the whole standard library, "..." the whole module.
type pattern string

// rule is one law about imports. It sets one of nowhere, never, only, importers and siblings.
type rule struct {
	name string // what the house says, as a person reads it when the rule broke

	from   []pattern // the packages of this module that it binds …
	except []pattern // … but for these

	// nowhere: such a package must not exist.
	nowhere bool
	// never: not to be reached from there, by however many steps; neverExcept takes some out again. Standard
	// packages are not walked through: that fmt uses os makes no I/O of a Sprintf.
	never, neverExcept []pattern
	// only: whatever is imported directly must be one of these.
	only []pattern
	// importers turns the rule round: who imports one of from directly must be one of these.
	importers []pattern
	// siblings: packages of from in different folders directly below it never reach each other.
	siblings bool
}

// doesIO are the standard packages that touch the world. crypto/rand and time/tzdata are not among them: the
// trade numbers need both. Nor is log/slog: cmd decides where it writes.
var doesIO = []pattern{
	"net", "net/http/...", "net/rpc/...", "net/smtp", "net/textproto", "os/...", "io/ioutil", "database/sql/...",
	"syscall/...", "plugin", "log", "log/syslog",
}

var rules = []rule{
	{
		name: "every package has its place in the house",
		from: []pattern{"..."},
		except: []pattern{"core/...", "ports/...", "adapters/...", "plugins/...", "cmd/...", "configs", "internal/...",
			"docs/examples/..."},
		nowhere: true,
	},
	{name: "core must not do I/O", from: []pattern{"core/..."}, never: doesIO},
	{
		name:   "core/* imports only the standard library and core; only core/gateway imports ports",
		from:   []pattern{"core/..."},
		except: []pattern{"core/gateway/..."},
		only:   []pattern{"std", "core/..."},
	},
	{
		name:   "core/* never imports core/gateway: the use cases stand above the decisions",
		from:   []pattern{"core/..."},
		except: []pattern{"core/gateway/..."},
		never:  []pattern{"core/gateway/..."},
	},
	{
		name: "core/gateway imports only the standard library, core and ports",
		from: []pattern{"core/gateway/..."},
		only: []pattern{"std", "core/...", "ports/..."},
	},
	{
		name: "ports speak in core's types: only the standard library and core",
		from: []pattern{"ports/..."},
		only: []pattern{"std", "core/...", "ports/..."},
	},
	{
		name:  "ports know no gRPC, no SQL, no HTTP, and no use case",
		from:  []pattern{"ports/..."},
		never: append([]pattern{"google.golang.org/grpc/...", "core/gateway/..."}, doesIO...),
	},
	{name: "adapters never import each other", from: []pattern{"adapters/..."}, siblings: true},
	{
		name:  "adapters never import a plugin: what they know of one is the contract, and only pluginhost knows it",
		from:  []pattern{"adapters/..."},
		never: []pattern{"plugins/..."}, neverExcept: []pattern{"plugins/proto/..."},
	},
	{
		name:  "only cmd composes: nothing imports cmd",
		from:  []pattern{"core/...", "ports/...", "adapters/...", "plugins/...", "configs", "internal/..."},
		never: []pattern{"cmd/..."},
	},
	{
		name:  "plugins import the sdk, never core/gateway, ports or adapters",
		from:  []pattern{"plugins/..."},
		never: []pattern{"core/gateway/...", "ports/...", "adapters/...", "configs"},
	},
	{
		name:      "plugins/proto is imported by plugins/sdk and adapters/pluginhost only",
		from:      []pattern{"plugins/proto/..."},
		importers: []pattern{"plugins/proto/...", "plugins/sdk/...", "adapters/pluginhost/..."},
	},
	{
		name:  "plugins/wechat/sim never imports plugins/wechat: it checks it",
		from:  []pattern{"plugins/wechat/sim/...", "cmd/wechatsim/..."},
		never: []pattern{"plugins/wechat/..."}, neverExcept: []pattern{"plugins/wechat/sim/..."},
	},
	{
		name:   "only cmd may use the conformance kit",
		from:   []pattern{"core/...", "ports/...", "adapters/...", "plugins/..."},
		except: []pattern{"plugins/sdk/conformance/..."},
		never:  []pattern{"plugins/sdk/conformance/..."},
	},
	{
		name:      "internal/pgtest is for tests",
		from:      []pattern{"internal/pgtest"},
		importers: []pattern{},
	},
	{
		name:      "internal/nodetest is for tests",
		from:      []pattern{"internal/nodetest"},
		importers: []pattern{},
	},
}
