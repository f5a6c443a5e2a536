package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

const (
	startTime = 10 * time.Second // from exec to the handshake, and for Describe
	maxAnswer = 4 << 20          // bytes; the longest answer that is read from a plugin
	killTime  = 3 * time.Second  // go-plugin's way to end a plugin hangs on a frozen one
)

// hostEnvironment names the variables of our own environment that a plugin sees. Nothing else of it does.
var hostEnvironment = []string{"HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "TZ"}

// running is one started plugin process. It never comes back to life: a restart makes another.
type running struct {
	conn  grpc.ClientConnInterface
	about *pb.DescribeResponse
	gone  <-chan struct{} // closed when the process has ended
	pid   int
	end   func() // ends it; see kill
}

// launch starts a plugin and asks it who it is.
func launch(ctx context.Context, o Options, pin Pin) (*running, error) {
	path, err := privateCopy(pin, filepath.Join(o.Dir, binFolder), o.Production)
	if err != nil {
		return nil, err
	}
	log := o.Log.With("provider", pin.Name)
	var proc *process
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  pb.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{pb.ProtocolVersion: {pb.ServiceName: hostSide{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, folder string) (runner.Runner, error) {
			ready := exec.Command(path) //nolint:noctx // it lives until kill, not until a context ends
			ready.Dir = filepath.Join(o.Dir, binFolder)
			ready.Env = append(pluginEnvironment(o.Environment), cmd.Env...)
			var err error
			proc, err = newProcess(ready, pin.Name, folder, log)
			return proc, err
		},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     startTime,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: filepath.Join(o.Dir, socketFolder)},
		GRPCDialOptions:  []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer))},
		Logger:           hostLog(log),
		SyncStderr:       &logLines{log: log},
	})
	protocol, err := client.Client()
	if err != nil {
		endProcess(client, proc)
		return nil, fmt.Errorf("plugin %s: start: %w", pin.Name, err)
	}
	conn, err := protocol.Dispense(pb.ServiceName)
	if err != nil {
		endProcess(client, proc)
		return nil, fmt.Errorf("plugin %s: connect: %w", pin.Name, err)
	}
	r := &running{conn: conn.(grpc.ClientConnInterface), gone: proc.gone, pid: proc.pid,
		end: func() { endProcess(client, proc) }}
	if err := r.describe(ctx, pin); err != nil {
		r.kill()
		return nil, err
	}
	return r, nil
}

// pluginEnvironment is what a plugin sees of our environment, and our process id to watch.
func pluginEnvironment(more []string) []string {
	env := []string{pb.HostPIDVariable + "=" + strconv.Itoa(os.Getpid())}
	for _, names := range [][]string{hostEnvironment, more} {
		for _, name := range names {
			if value, ok := os.LookupEnv(name); ok {
				env = append(env, name+"="+value)
			}
		}
	}
	return env
}

// describe asks the plugin who it is and holds it against its pin.
func (r *running) describe(ctx context.Context, pin Pin) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	about, err := pb.NewProviderClient(r.conn).Describe(ctx, &pb.DescribeRequest{})
	switch {
	case err != nil:
		return fmt.Errorf("plugin %s: describe: %w", pin.Name, err)
	case pin.Version == "": // being locked just now
	case about.GetName() != pin.Name || about.GetVersion() != pin.Version:
		return fmt.Errorf("plugin %s %s calls itself %s %s: plugins.lock is of another build, run `paybridge plugin lock`",
			pin.Name, pin.Version, about.GetName(), about.GetVersion())
	}
	r.about = about
	return nil
}

// healthy asks the plugin's health service.
func (r *running) healthy(ctx context.Context) error {
	answer, err := grpc_health_v1.NewHealthClient(r.conn).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	switch {
	case err != nil:
		return err
	case answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING:
		return errors.New("the plugin says " + answer.GetStatus().String())
	}
	return nil
}

// kill ends the process, calls in flight included, and returns when it is gone.
func (r *running) kill() { r.end() }

// endProcess ends a plugin the polite way within killTime, then by force: go-plugin's Kill never returns from a frozen
// process.
func endProcess(client *plugin.Client, proc *process) {
	done := make(chan struct{})
	go func() {
		client.Kill()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(killTime):
	}
	if proc != nil {
		_ = proc.Kill(context.Background()) // what is left of its group; nothing to do about a refusal
	}
	<-done
}

// hostSide gives the bare connection: the contract's clients are made from it where they are needed.
type hostSide struct{ plugin.NetRPCUnsupportedPlugin }

func (hostSide) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is the host's side of the contract")
}

func (hostSide) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}
