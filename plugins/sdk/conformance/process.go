package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// startTime is from exec to the handshake. The gateway allows 10 s; a busy machine may start six at once.
const startTime = 30 * time.Second

// process is one started plugin, over go-plugin as the gateway does it: handshake, mTLS, a socket in a private folder.
type process struct {
	provider pb.ProviderClient
	conn     grpc.ClientConnInterface
	folder   string // of the socket

	cmd  *exec.Cmd
	out  *os.File // its standard output
	gone chan struct{}
	said *record
	stop func() // ends it, and what belongs to it
}

// start runs a plugin. said gets all that it writes, answers all that it answers.
func start(ctx context.Context, command []string, said, answers *record) (*process, error) {
	dir, err := os.MkdirTemp("/tmp", "pbkit") // macOS's own temporary folder is too long a path for a socket
	if err != nil {
		return nil, err
	}
	p := &process{gone: make(chan struct{}), said: said}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  pb.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{pb.ProtocolVersion: {pb.ServiceName: kitSide{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, folder string) (runner.Runner, error) {
			p.folder = folder
			p.cmd = exec.Command(command[0], command[1:]...) //nolint:noctx // it lives until stop
			// What the gateway lets a plugin see: itself, and next to nothing of our environment.
			p.cmd.Env = append([]string{pb.HostPIDVariable + "=" + strconv.Itoa(os.Getpid()), "PATH=" + os.Getenv("PATH")}, cmd.Env...)
			return running{p}, nil
		},
		AutoMTLS: true, SkipHostEnv: true, StartTimeout: startTime,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: dir},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(4 << 20)), grpc.WithChainUnaryInterceptor(answers.unary),
		},
		Logger: hclog.NewNullLogger(), SyncStdout: said, SyncStderr: said,
	})
	p.stop = sync.OnceFunc(func() {
		p.kill()
		client.Kill() // go-plugin's side of it; the process has gone
		_ = os.RemoveAll(dir)
	})
	protocol, err := client.Client()
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("it does not start: %w", err)
	}
	conn, err := protocol.Dispense(pb.ServiceName)
	context.AfterFunc(ctx, p.stop)
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("it cannot be reached: %w", err)
	}
	p.conn = conn.(grpc.ClientConnInterface)
	p.provider = pb.NewProviderClient(p.conn)
	return p, nil
}

// kill ends the plugin and whatever it started.
func (p *process) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have gone by itself
	<-p.gone
}

// exited says whether the process has ended by itself.
func (p *process) exited() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// healthy asks the health service that go-plugin asks.
func (p *process) healthy(ctx context.Context) error {
	a, err := grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	switch {
	case err != nil:
		return err
	case a.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING:
		return fmt.Errorf("its status is %s", a.GetStatus())
	}
	return nil
}

// running is the process for go-plugin, whose own runner parses log lines in a way that a line can crash.
type running struct{ p *process }

func (r running) Start(context.Context) error {
	stdout, out, err := os.Pipe()
	if err != nil {
		return err
	}
	r.p.out, r.p.cmd.Stdout, r.p.cmd.Stderr = stdout, out, r.p.said
	r.p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.p.cmd.WaitDelay = time.Second // for a child that holds its pipe
	err = r.p.cmd.Start()
	_ = out.Close() // the plugin's end
	if err != nil {
		close(r.p.gone)
		return errors.Join(err, stdout.Close())
	}
	go func() {
		_ = r.p.cmd.Wait() // how it ended nobody asks: a plugin must not end
		close(r.p.gone)
	}()
	return nil
}

func (r running) Wait(context.Context) error      { <-r.p.gone; return nil }
func (r running) Kill(context.Context) error      { r.p.kill(); return nil }
func (r running) Stdout() io.ReadCloser           { return r.p.out }
func (r running) Stderr() io.ReadCloser           { return io.NopCloser(strings.NewReader("")) }
func (r running) Name() string                    { return r.p.cmd.Path }
func (r running) Diagnose(context.Context) string { return "" }

// ID is the process's, where there is one: go-plugin asks for it also when the program could not be started.
func (r running) ID() string {
	if r.p.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(r.p.cmd.Process.Pid)
}

// PluginToHost lets the plugin name only a socket in its own folder, as the gateway does.
func (r running) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(filepath.Clean(address)) != filepath.Clean(r.p.folder) {
		return "", "", fmt.Errorf("it wants to be reached at %s %q, outside of PLUGIN_UNIX_SOCKET_DIR", network, address)
	}
	return network, address, nil
}

// HostToPlugin is asked only for go-plugin's broker, which the contract does not use.
func (r running) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// kitSide gives the bare connection.
type kitSide struct{ plugin.NetRPCUnsupportedPlugin }

func (kitSide) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is the host's side of the contract")
}

func (kitSide) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// record keeps what plugins write, for the promise about secrets, and passes it on.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
	to   io.Writer // nil: nobody
}

// mostKept bounds it, in bytes.
const mostKept = 64 << 20

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.text.Len() < mostKept {
		r.text.Write(b)
	}
	if r.to != nil {
		_, _ = r.to.Write(b) // nobody who does not listen stops a plugin
	}
	return len(b), nil
}

// unary keeps every answer, for the promise about secrets.
func (r *record) unary(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	err := call(ctx, method, request, answer, conn, options...)
	if err != nil {
		_, _ = r.Write([]byte(err.Error() + "\n")) // a record takes everything
		return err
	}
	text, _ := proto.Marshal(answer.(proto.Message)) // it was just unmarshalled
	_, _ = r.Write(text)
	return nil
}

func (r *record) has(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.text.Bytes(), []byte(text))
}
