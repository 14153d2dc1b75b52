// SPDX-License-Identifier: Apache-2.0

// A small CRI client for the system tests: one call per run, plain output. It is no crictl: it prints what a test
// compares and ends with the exit status of what it ran.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

var runtime cri.RuntimeServiceClient

type verb struct {
	usage string
	args  int
	run   func(ctx context.Context, args []string) error
}

func fromFile(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", " ")
	return e.Encode(v)
}

func runPod(ctx context.Context, args []string) error {
	config := &cri.PodSandboxConfig{}
	if err := fromFile(args[0], config); err != nil {
		return err
	}
	r, err := runtime.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: config})
	if err == nil {
		fmt.Println(r.PodSandboxId)
	}
	return err
}

func stopPod(ctx context.Context, args []string) error {
	_, err := runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: args[0]})
	return err
}

func removePod(ctx context.Context, args []string) error {
	if err := stopPod(ctx, args); err != nil {
		return err
	}
	_, err := runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: args[0]})
	return err
}

func pods(ctx context.Context, _ []string) error {
	r, err := runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return err
	}
	for _, p := range r.Items {
		fmt.Println(p.Id, strings.TrimPrefix(p.State.String(), "SANDBOX_"), p.Metadata.Name)
	}
	return nil
}

func podStatus(ctx context.Context, args []string) error {
	r, err := runtime.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: args[0]})
	if err != nil {
		return err
	}
	return printJSON(r.Status)
}

func create(ctx context.Context, args []string) error {
	pod, config := &cri.PodSandboxConfig{}, &cri.ContainerConfig{}
	if err := fromFile(args[1], config); err != nil {
		return err
	}
	if err := fromFile(args[2], pod); err != nil {
		return err
	}
	r, err := runtime.CreateContainer(ctx,
		&cri.CreateContainerRequest{PodSandboxId: args[0], Config: config, SandboxConfig: pod})
	if err == nil {
		fmt.Println(r.ContainerId)
	}
	return err
}

func start(ctx context.Context, args []string) error {
	_, err := runtime.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: args[0]})
	return err
}

func stop(ctx context.Context, args []string) error {
	seconds, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	_, err = runtime.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: args[0], Timeout: seconds})
	return err
}

func remove(ctx context.Context, args []string) error {
	_, err := runtime.RemoveContainer(ctx, &cri.RemoveContainerRequest{ContainerId: args[0]})
	return err
}

func status(ctx context.Context, args []string) error {
	r, err := runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: args[0]})
	if err == nil {
		s := r.Status
		fmt.Println(strings.TrimPrefix(s.State.String(), "CONTAINER_"), s.ExitCode, s.Reason, s.Message)
	}
	return err
}

// The number containerd was told, from its verbose status.
func pid(ctx context.Context, args []string) error {
	r, err := runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: args[0], Verbose: true})
	if err != nil {
		return err
	}
	var info struct{ Pid int }
	if err := json.Unmarshal([]byte(r.Info["info"]), &info); err != nil {
		return err
	}
	fmt.Println(info.Pid)
	return nil
}

func stats(ctx context.Context, args []string) error {
	r, err := runtime.ContainerStats(ctx, &cri.ContainerStatsRequest{ContainerId: args[0]})
	if err != nil {
		return err
	}
	return printJSON(r.Stats)
}

func update(ctx context.Context, args []string) error {
	memory, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	_, err = runtime.UpdateContainerResources(ctx, &cri.UpdateContainerResourcesRequest{ContainerId: args[0],
		Linux: &cri.LinuxContainerResources{MemoryLimitInBytes: memory}})
	return err
}

func execSync(ctx context.Context, args []string) error {
	r, err := runtime.ExecSync(ctx, &cri.ExecSyncRequest{ContainerId: args[0], Cmd: args[1:], Timeout: 60})
	if err != nil {
		return err
	}
	os.Stdout.Write(r.Stdout)
	os.Stderr.Write(r.Stderr)
	os.Exit(int(r.ExitCode))
	return nil
}

// The first byte of each message says which stream it belongs to: 0 stdin, 1 stdout, 2 stderr, 3 the end.
func stream(address string, stdin bool) error {
	ws, err := dialStream(address)
	if err != nil {
		return err
	}
	defer ws.Close()
	if stdin {
		go func() {
			buf := make([]byte, 4096)
			for {
				n, err := os.Stdin.Read(buf)
				if n > 0 {
					websocket.Message.Send(ws, append([]byte{0}, buf[:n]...))
				}
				if err != nil {
					return
				}
			}
		}()
	}
	for {
		var message []byte
		if err := websocket.Message.Receive(ws, &message); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if len(message) < 2 {
			continue
		}
		switch message[0] {
		case 1:
			os.Stdout.Write(message[1:])
		case 2:
			os.Stderr.Write(message[1:])
		case 3:
			return streamEnd(message[1:])
		}
	}
}

func streamEnd(message []byte) error {
	var end struct {
		Status, Message string
		Details         struct {
			Causes []struct{ Reason, Message string }
		}
	}
	if err := json.Unmarshal(message, &end); err != nil {
		return err
	}
	if end.Status == "Success" {
		return nil
	}
	for _, cause := range end.Details.Causes {
		if code, err := strconv.Atoi(cause.Message); cause.Reason == "ExitCode" && err == nil {
			os.Exit(code)
		}
	}
	return fmt.Errorf("%s", end.Message)
}

func exec(ctx context.Context, args []string) error {
	tty := args[1] == "tty"
	r, err := runtime.Exec(ctx, &cri.ExecRequest{ContainerId: args[0], Cmd: args[2:], Tty: tty, Stdin: true,
		Stdout: true, Stderr: !tty})
	if err != nil {
		return err
	}
	return stream(r.Url, true)
}

func attach(ctx context.Context, args []string) error {
	tty := args[1] == "tty"
	r, err := runtime.Attach(ctx, &cri.AttachRequest{ContainerId: args[0], Tty: tty, Stdin: true, Stdout: true,
		Stderr: !tty})
	if err != nil {
		return err
	}
	return stream(r.Url, true)
}

func dialStream(address string) (*websocket.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	u.Scheme = "ws"
	config, err := websocket.NewConfig(u.String(), "http://localhost/")
	if err != nil {
		return nil, err
	}
	config.Protocol = []string{"v4.channel.k8s.io"}
	return websocket.DialConfig(config)
}

// One port has two channels, 0 for data and 1 for errors; the first message of each repeats the port.
func forward(ctx context.Context, args []string) error {
	port, err := strconv.ParseUint(args[1], 10, 16)
	if err != nil {
		return err
	}
	r, err := runtime.PortForward(ctx, &cri.PortForwardRequest{PodSandboxId: args[0], Port: []int32{int32(port)}})
	if err != nil {
		return err
	}
	ws, err := dialStream(r.Url)
	if err != nil {
		return err
	}
	defer ws.Close()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := os.Stdin.Read(buf)
			if n > 0 {
				websocket.Message.Send(ws, append([]byte{0}, buf[:n]...))
			}
			if err != nil {
				return
			}
		}
	}()
	greeted := [2]bool{}
	for {
		var message []byte
		if err := websocket.Message.Receive(ws, &message); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if len(message) == 0 || message[0] > 1 {
			return fmt.Errorf("unknown channel: %q", message)
		}
		switch channel := message[0]; {
		case !greeted[channel]:
			greeted[channel] = true
		case channel == 0:
			os.Stdout.Write(message[1:])
		case len(message) > 1:
			return fmt.Errorf("%s", message[1:])
		}
	}
}

var verbs = map[string]verb{
	"runp":     {"POD.json", 1, runPod},
	"stopp":    {"POD", 1, stopPod},
	"rmp":      {"POD", 1, removePod},
	"pods":     {"", 0, pods},
	"inspectp": {"POD", 1, podStatus},
	"create":   {"POD CONTAINER.json POD.json", 3, create},
	"start":    {"CONTAINER", 1, start},
	"stop":     {"CONTAINER SECONDS", 2, stop},
	"rm":       {"CONTAINER", 1, remove},
	"status":   {"CONTAINER", 1, status},
	"pid":      {"CONTAINER", 1, pid},
	"stats":    {"CONTAINER", 1, stats},
	"update":   {"CONTAINER MEMORY", 2, update},
	"execsync": {"CONTAINER COMMAND [ARG ...]", 2, execSync},
	"exec":     {"CONTAINER tty|pipes COMMAND [ARG ...]", 3, exec},
	"attach":   {"CONTAINER tty|pipes", 2, attach},
	"forward":  {"POD PORT", 2, forward},
}

func usage() {
	names := []string{}
	for name, v := range verbs {
		names = append(names, name+" "+v.usage)
	}
	sort.Strings(names)
	fmt.Fprintf(os.Stderr, "usage: cri SOCKET VERB ...\n%s\n", strings.Join(names, "\n"))
	os.Exit(2)
}

func main() {
	if len(os.Args) < 3 {
		usage()
	}
	v, known := verbs[os.Args[2]]
	if !known || len(os.Args)-3 < v.args {
		usage()
	}
	conn, err := grpc.Dial("unix://"+os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err == nil {
		defer conn.Close()
		runtime = cri.NewRuntimeServiceClient(conn)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		err = v.run(ctx, os.Args[3:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cri:", err)
		os.Exit(125)
	}
}
