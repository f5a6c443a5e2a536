package sdk

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// Serve runs p until the host ends it. Call it last in main; it returns only when the host has asked for it. It sets
// slog's default logger, whose lines arrive in the host's log: never print to standard output.
func Serve(p Plugin) {
	// go-plugin replaces os.Stderr by a pipe of its own later; the host reads the first one.
	slog.SetDefault(newLog(os.Stderr))
	go exitWithHost()
	m := newMeter()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: pb.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{
			pb.ProtocolVersion: {pb.ServiceName: &goPlugin{plugin: p, meter: m}},
		},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, m.serverOptions()...)...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
	})
}

// goPlugin is what go-plugin asks for to register the contract's services.
type goPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	plugin Plugin
	meter  *meter
}

func (g *goPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	register(s, g.plugin, g.meter)
	return nil
}

// GRPCClient is the host's side, which this package is not.
func (g *goPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is the plugin's side of the contract")
}
