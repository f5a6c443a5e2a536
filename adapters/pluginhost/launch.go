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
	startTime = 20 * time.Second // from exec to the handshake, and for Describe
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
	kill  func(cut <-chan struct{}) // ends it, calls in flight included; see endProcess
}

// launch starts a plugin and asks it who it is. When ctx ends before that is done the process is ended at once.
func launch(ctx context.Context, o Options, pin Pin) (*running, error) {
	path, err := privateCopy(pin, filepath.Join(o.Dir, binFolder), o.Production)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNothingRan, err)
	}
	log := o.Log.With("provider", pin.Name)
	proc := newProcess(pin.Name, log)
	defer context.AfterFunc(ctx, func() {
		_ = proc.Kill(context.Background()) // endProcess tries again
	})()
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  pb.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{pb.ProtocolVersion: {pb.ServiceName: hostSide{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, folder string) (runner.Runner, error) {
			proc.folder = folder
			proc.cmd = exec.Command(path) //nolint:noctx // it lives until kill, not until a context ends
			proc.cmd.Dir = filepath.Join(o.Dir, binFolder)
			proc.cmd.Env = append(pluginEnvironment(o.Environment), cmd.Env...)
			return proc, nil
		},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     startTime,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: filepath.Join(o.Dir, socketFolder)},
		GRPCDialOptions:  append([]grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer))}, o.Dial...),
		Logger:           hostLog(log),
		SyncStderr:       &logLines{log: log},
	})
	protocol, err := client.Client()
	if err != nil {
		endProcess(client, proc, ctx.Done())
		return nil, fmt.Errorf("plugin %s: start: %s", pin.Name, clean(err.Error(), maxFault))
	}
	conn, err := protocol.Dispense(pb.ServiceName)
	if err != nil {
		endProcess(client, proc, ctx.Done())
		return nil, fmt.Errorf("plugin %s: connect: %w", pin.Name, err)
	}
	r := &running{conn: conn.(grpc.ClientConnInterface), gone: proc.gone, pid: proc.pid,
		kill: func(cut <-chan struct{}) { endProcess(client, proc, cut) }}
	if err := r.describe(ctx, pin); err != nil {
		r.kill(ctx.Done())
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
		return fmt.Errorf("plugin %s: describe: %s", pin.Name, faultText(err))
	case pin.Version == "": // being locked just now
	case about.GetName() != pin.Name || about.GetVersion() != pin.Version:
		return fmt.Errorf("plugin %s %s calls itself %s %s: plugins.lock is of another build, run `paybridge plugin lock`",
			pin.Name, pin.Version, clean(about.GetName(), maxID), clean(about.GetVersion(), maxID))
	}
	r.about = about
	return nil
}

// healthy asks the plugin's health service. answered is false when nobody did.
func (r *running) healthy(ctx context.Context) (answered bool, problem error) {
	answer, err := grpc_health_v1.NewHealthClient(r.conn).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	switch {
	case err != nil:
		return false, errors.New("its health is not known: " + faultText(err))
	case answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING:
		return true, errors.New("the plugin says " + answer.GetStatus().String())
	}
	return true, nil
}

// endProcess ends a plugin the polite way within killTime and until cut is closed, then by force: go-plugin's Kill
// never returns from a frozen process. It returns when the process is gone, or cannot be ended in another killTime.
func endProcess(client *plugin.Client, proc *process, cut <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		client.Kill()
		close(done)
	}()
	select {
	case <-done:
	case <-cut:
	case <-time.After(killTime):
	}
	_ = proc.Kill(context.Background()) // nothing to do about a refusal
	select {
	case <-done:
	case <-time.After(killTime):
	}
}

// hostSide gives the bare connection: the contract's clients are made from it where they are needed.
type hostSide struct{ plugin.NetRPCUnsupportedPlugin }

func (hostSide) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is the host's side of the contract")
}

func (hostSide) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}
