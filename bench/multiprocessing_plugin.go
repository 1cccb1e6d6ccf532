package main

import (
	"context"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

var handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BRAID_BENCH", MagicCookieValue: "plugin"}

// startPlugin starts a worker under go-plugin, and returns what its plugin gives
// to the client.
func startPlugin(child string, protocol plugin.Protocol, p plugin.Plugin) (w *worker, calls any, err error) {
	program := inGo(child, 0, "worker", child)
	if program.absent != "" {
		return nil, nil, fmt.Errorf("%s", program.absent)
	}
	cmd := exec.Command(program.command[0], program.command[1:]...)
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          plugin.PluginSet{"worker": p},
		Cmd:              cmd,
		AllowedProtocols: []plugin.Protocol{protocol},
		Logger:           hclog.NewNullLogger(),
	})
	// A plugin gets the input of this process, and a worker ends with its input:
	// so that is a pipe that is open as long as this process needs the worker.
	in, open, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	usual := os.Stdin
	os.Stdin = in
	conn, err := client.Client()
	os.Stdin = usual
	in.Close()
	stop := func() {
		client.Kill()
		open.Close()
	}
	if err == nil {
		calls, err = conn.Dispense("worker")
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return &worker{pid: cmd.Process.Pid, stop: stop}, calls, nil
}

func servePlugin(p plugin.Plugin) error {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         plugin.PluginSet{"worker": p},
		GRPCServer:      plugin.DefaultGRPCServer,
		Logger:          hclog.NewNullLogger(),
	})
	return nil
}

func serveGRPC() error   { return servePlugin(overGRPC{}) }
func serveNetRPC() error { return servePlugin(overNetRPC{}) }

func startGRPC() (*worker, error) {
	w, calls, err := startPlugin("gRPC", plugin.ProtocolGRPC, overGRPC{})
	if err != nil {
		return nil, err
	}
	w.call = func() error {
		return calls.(*grpc.ClientConn).Invoke(context.Background(), "/bench.Worker/Nothing", new(emptypb.Empty), new(emptypb.Empty))
	}
	return w, nil
}

// overGRPC is a plugin whose one method takes and returns an empty message.
type overGRPC struct{ plugin.NetRPCUnsupportedPlugin }

func (overGRPC) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	nothing := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(emptypb.Empty)
		return in, decode(in)
	}
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Worker",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Nothing", Handler: nothing}},
	}, struct{}{})
	return nil
}

func (overGRPC) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

func startNetRPC() (*worker, error) {
	w, calls, err := startPlugin("net/rpc", plugin.ProtocolNetRPC, overNetRPC{})
	if err != nil {
		return nil, err
	}
	client := calls.(*rpc.Client)
	w.call = func() error {
		var back bool
		return client.Call("Plugin.Nothing", false, &back)
	}
	w.bytes = func(data []byte) (back []byte, err error) {
		err = client.Call("Plugin.Bytes", data, &back)
		return back, err
	}
	return w, nil
}

// overNetRPC is a plugin with the methods of netRPCMethods.
type overNetRPC struct{}

func (overNetRPC) Server(*plugin.MuxBroker) (any, error) { return netRPCMethods{}, nil }

func (overNetRPC) Client(_ *plugin.MuxBroker, client *rpc.Client) (any, error) { return client, nil }

type netRPCMethods struct{}

func (netRPCMethods) Nothing(bool, *bool) error { return nil }

func (netRPCMethods) Bytes(data []byte, back *[]byte) error {
	*back = data
	return nil
}
