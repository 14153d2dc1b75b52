#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman with our runtime: what its users do every day, pods in one VM, and both of Debian's network stacks.
#
# A test that shows how a flag or verb behaves says so for docs/parity-podman.md, see tests/parity.sh:
#	# parity: FLAG | as runc, or differs: WHY, or refused: WHY

load helpers
load ../lib/host-socket
load ../lib/terminal
bats_require_minimum_version 1.5.0

setup_file() {
	BUILD=${KATA_BUILD:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/build}
	export STORE=$BATS_FILE_TMPDIR/store
	mkdir -p "$STORE"
	cat > "$STORE/seccomp.json" <<-JSON
	{ "defaultAction": "SCMP_ACT_ALLOW",
	  "syscalls": [ { "names": [ "mkdir", "mkdirat" ], "action": "SCMP_ACT_ERRNO" } ] }
	JSON
	for backend in netavark cni; do
		cat > "$STORE/$backend.conf" <<-TOML
		[network]
		network_backend = "$backend"
		network_config_dir = "$STORE/$backend"
		[engine]
		events_logger = "file"
		TOML
	done
	export CONTAINERS_CONF=$STORE/netavark.conf
	printf '#!/bin/sh\nexec "%s/kata-runtime" --config "%s/configuration.toml" --root "%s" "$@"\n' \
		"$BUILD" "$BUILD" "${KATA_ROOT:-/run/kata}" > "$STORE/kata"
	chmod +x "$STORE/kata"
	"$BATS_TEST_DIRNAME/../lib/make-bundle.sh" "$STORE/image" true
	tar -C "$STORE/image/rootfs" -c . | pod import --change 'CMD ["sh"]' - busybox > /dev/null
}

teardown_file() {
	pod rm -fa > /dev/null 2>&1 || true
	pod system reset -f > /dev/null 2>&1 || true
}

pod() {
	podman --root "$STORE/root" --runroot "$STORE/run" --tmpdir "$STORE/tmp" --cgroup-manager cgroupfs \
		--runtime "$STORE/kata" "$@"
}

# Where an ordinary user works, and a block device; "" when there is none.
ROOTLESS=
LOOP=

# The same, in a terminal.
pod_tty() {
	script -qec "podman --root '$STORE/root' --runroot '$STORE/run' --tmpdir '$STORE/tmp' --cgroup-manager cgroupfs \
		--runtime '$STORE/kata' $*" /dev/null
}

status_is() {
	[ "$(pod inspect "$1" --format '{{.State.Status}}')" = "$2" ]
}

logs_have() {
	pod logs "$1" | grep -q "$2"
}

teardown() {
	stop_socket
	local network dir
	if [ -n "$ROOTLESS" ]; then
		# What rootless podman leaves to hold its namespaces.
		kill "$(cat "$ROOTLESS/run/libpod/tmp/pause.pid")" || true
		rm -rf "$ROOTLESS"
	fi
	close_terminal
	[ -z "$LOOP" ] || losetup -d "$LOOP"
	# Those with --rm, too, which are gone by now.
	pod events --stream=false --filter event=create --format '{{.ID}}' >> "$KATA_TEST_IDS"
	pod pod rm -fa > /dev/null 2>&1 || true
	pod rm -fa -t 0 > /dev/null 2>&1 || true
	# With any runtime: podman makes a pod's cgroup everywhere and forgets it where it knows no controller.
	for dir in /sys/fs/cgroup/{systemd,unified}/libpod_parent/*/; do
		grep -qxF "${dir%/}" "$KATA_TEST_CGROUPS" || rmdir "$dir" 2> /dev/null || true
	done
	for network in knet knet2; do
		pod network rm -f "$network" > /dev/null 2>&1 || true
	done
	no_leaks
}

@test "a socket of the host as a volume, if the configuration lists it" {
	# parity: run -v of a socket | differs: refused unless `valid_host_socket_paths` lists it; descriptors cannot be passed
	cc -static -O1 -o "$BATS_TEST_TMPDIR/tool" "$REPO/tests/lib/unix-socket.c"
	serve_socket 'tr a-z A-Z'
	[ "$(echo word | pod run --rm -i -v "$SOCKET:/run/x.sock" -v "$BATS_TEST_TMPDIR/tool:/tool:ro" busybox \
		/tool pipe /run/x.sock)" = WORD ]
}

@test "run: output, status, environment, user, directory, hostname" {
	# parity: run --rm | as runc
	# parity: run -e | as runc
	# parity: run -w | as runc
	# parity: run -u | as runc
	# parity: run --hostname | as runc
	run pod run --rm -e A=b -w /tmp -u 65534:65534 --hostname inside busybox sh -c 'echo "$A $(pwd) $(id -u) $(hostname)"; exit 3'
	echo "$output"
	[ "$status" -eq 3 ]
	[ "$output" = "b /tmp 65534 inside" ]
}

@test "run: a program that is missing is 127, one that may not run is 126" {
	# parity: run with a missing program | as runc
	run -127 pod run --rm busybox /no/such/program
	run pod run --rm busybox /etc/passwd
	[ "$status" -eq 126 ]
}

@test "run: volumes, read-only volumes, tmpfs, read-only root" {
	# parity: run -v DIR | as runc
	# parity: run -v ...:ro | as runc
	# parity: run -v NAME | as runc
	# parity: run --tmpfs | as runc
	# parity: run --read-only | as runc
	mkdir -p "$BATS_TEST_TMPDIR/v"
	echo host > "$BATS_TEST_TMPDIR/v/f"
	run pod run --rm --read-only -v "$BATS_TEST_TMPDIR/v:/v" -v "$BATS_TEST_TMPDIR/v:/ro:ro" -v named:/n \
		--tmpfs /t:size=1m busybox sh -c 'cat /v/f; echo guest > /v/g; echo x > /ro/x || echo ro-ok
		echo x > /x || echo root-ro-ok; echo x > /n/x && echo named-ok; df -k /t | tail -1'
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *host*ro-ok*root-ro-ok*named-ok*1024* ]]
	[ "$(cat "$BATS_TEST_TMPDIR/v/g")" = guest ]
	[ ! -e "$BATS_TEST_TMPDIR/v/x" ]
	pod volume rm named
}

@test "the life of a detached container: exec, top, logs, stats, pause, cp, commit, stop" {
	# parity: run -d | as runc
	# parity: run --name | as runc
	# parity: exec | as runc
	# parity: top | differs: podman looks on the host, where the first process and execs are; with options of ps(1) it asks in the container
	# parity: logs | as runc
	# parity: stats | differs: counts the whole VM, its emulator included
	# parity: pause, unpause | as runc
	# parity: inspect | as runc
	# parity: cp | as runc
	# parity: commit | as runc
	# parity: stop | as runc
	pod run -d --name a busybox sh -c 'trap "exit 4" TERM; echo started; while :; do sleep 0.1; done'
	[ "$(pod exec a echo hello)" = hello ]
	run pod exec a sh -c 'exit 6'
	[ "$status" -eq 6 ]
	run pod top a
	[[ "$output" == *"trap"* ]]
	[ "${#lines[@]}" -le 3 ]
	pod exec -d a sleep 1234
	pod top a -o pid,args | grep -q 'sleep 1234'
	[ "$(pod logs a)" = started ]
	pod stats --no-stream a
	pod pause a
	[ "$(pod inspect a --format '{{.State.Status}}')" = paused ]
	pod unpause a
	echo there > "$BATS_TEST_TMPDIR/f"
	pod cp "$BATS_TEST_TMPDIR/f" a:/tmp/f
	[ "$(pod exec a cat /tmp/f)" = there ]
	[ ! -e /tmp/f ]
	pod cp a:/tmp/f "$BATS_TEST_TMPDIR/back"
	[ "$(cat "$BATS_TEST_TMPDIR/back")" = there ]
	pod stop -t 10 a
	[ "$(pod inspect a --format '{{.State.ExitCode}}')" = 4 ]
	pod commit a committed > /dev/null
	[ "$(pod run --rm committed cat /tmp/f)" = there ]
}

@test "kill, restart, wait, rm -f" {
	# parity: kill | as runc
	# parity: wait | as runc
	# parity: start | as runc
	# parity: restart | as runc
	# parity: rm -f | as runc
	pod run -d --name b busybox sleep 1000
	pod kill -s KILL b
	[ "$(pod wait b)" = 137 ]
	pod start b
	[ "$(pod inspect b --format '{{.State.Status}}')" = running ]
	pod restart -t 0 b
	pod exec b true
	pod rm -f -t 0 b
}

@test "health checks are execs" {
	# parity: run --health-cmd, healthcheck run | as runc
	pod run -d --name h --health-cmd 'test -e /tmp/ok' --health-interval disable busybox sleep 1000
	run pod healthcheck run h
	[ "$status" -ne 0 ]
	pod exec h touch /tmp/ok
	pod healthcheck run h
}

@test "a pod: two members and the infra container share one VM, its network and its names" {
	# parity: pod create, run --pod | differs: the pod is one VM, with a kernel of its own
	pod pod create --name p > /dev/null
	pod run -d --pod p --name m1 busybox sh -c 'while :; do nc -l -p 8080 -e echo hello; done'
	wait_for 10 pod exec m1 sh -c 'netstat -ltn | grep -q 8080'
	[ "$(pod run --rm --pod p busybox sh -c 'nc 127.0.0.1 8080 < /dev/null')" = hello ]
	# One boot id: one kernel.
	[ "$(pod exec m1 cat /proc/sys/kernel/random/boot_id)" = \
		"$(pod run --rm --pod p busybox cat /proc/sys/kernel/random/boot_id)" ]
	pod pod rm -f p
}

@test "a pod whose infra container ends first lives on, and gets another VM when it is started again" {
	# parity: kill of a pod's infra container | as runc: the members go on, without a network
	pod pod create --name p --infra-name infra > /dev/null
	pod run -d --pod p --name m1 busybox sh -c 'until [ -e /stop ]; do sleep 0.1; done; exit 9'
	vm=$(pod exec m1 cat /proc/sys/kernel/random/boot_id)
	pod kill infra
	pod wait infra
	[ "$(pod exec m1 cat /proc/sys/kernel/random/boot_id)" = "$vm" ]
	pod start infra
	[ "$(pod run --rm --pod p busybox cat /proc/sys/kernel/random/boot_id)" != "$vm" ]
	[ "$(pod exec m1 cat /proc/sys/kernel/random/boot_id)" = "$vm" ]
	pod exec m1 touch /stop
	[ "$(pod wait m1)" = 9 ]
	pod pod rm -f p
}

@test "play kube makes a pod that kube generate describes" {
	# parity: play kube | as runc
	# parity: generate kube | as runc
	cat > "$BATS_TEST_TMPDIR/pod.yaml" <<-YAML
	apiVersion: v1
	kind: Pod
	metadata:
	  name: played
	spec:
	  containers:
	  - name: c
	    image: localhost/busybox:latest
	    imagePullPolicy: Never
	    command: ["sleep", "1000"]
	YAML
	pod play kube "$BATS_TEST_TMPDIR/pod.yaml"
	[ "$(pod exec played-c echo in)" = in ]
	pod generate kube played | grep -q 'name: played'
	pod pod rm -f played
}

# What a network stack is for, whichever it is. Its test sets CONTAINERS_CONF.
networks_work() {
	[ "$(pod info --format '{{.Host.NetworkBackend}}')" = "$1" ]
	pod network create --subnet 10.97.53.0/24 --ipv6 --subnet fd97:53::/64 knet
	pod network create --subnet 10.97.54.0/24 knet2
	pod run -d --name web --network knet --mac-address 02:00:00:97:53:07 --ip 10.97.53.7 -p 127.0.0.1:18097:80 busybox \
		sh -c 'mkdir /w; echo page > /w/index.html; httpd -p 80 -h /w; exec sleep 1000'
	# As the stack made it.
	run pod exec web sh -c 'cat /sys/class/net/eth0/address; ip -o addr show eth0; ip route; ip -6 route'
	echo "$output"
	[[ "$output" == *"02:00:00:97:53:07"* && "$output" == *"10.97.53.7/24"* && "$output" == *"fd97:53::"*"/64"* ]]
	[[ "$output" == *"default via 10.97.53.1"* && "$output" == *"default via fd97:53::1"* ]]
	# The published port, the host, another container, by both protocols.
	wait_for 10 curl_page 127.0.0.1:18097
	pod run --rm --network knet --cap-add NET_RAW busybox sh -c 'ping -c 1 -W 5 10.97.53.1 && ping6 -c 1 -W 5 fd97:53::1 &&
		[ "$(wget -qO- http://10.97.53.7/)" = page ]'
	# A network that comes and goes while the container runs.
	pod network connect knet2 web
	wait_for 10 has_address web 10.97.54
	pod network disconnect knet2 web
	wait_for 10 lacks_address web 10.97.54
	curl_page 127.0.0.1:18097
}

curl_page() {
	exec 4<> "/dev/tcp/${1/:/\/}" || return 1
	printf 'GET / HTTP/1.0\r\n\r\n' >&4
	grep -q page <&4
}

has_address() {
	pod exec "$1" ip -o -4 addr | grep -qF "$2"
}

lacks_address() {
	! has_address "$@"
}

@test "network: netavark" {
	# parity: run --network NAME (netavark) | as runc
	# parity: run --ip, --mac-address (netavark) | as runc
	# parity: run -p (netavark) | as runc
	# parity: network connect, disconnect (netavark) | as runc
	# parity: names of containers (netavark) | as runc
	networks_work netavark
	[ "$(pod run --rm --network knet busybox wget -qO- http://web/)" = page ]
}

@test "network: CNI" {
	# parity: run --network NAME (CNI) | as runc
	# parity: run --ip, --mac-address (CNI) | as runc
	# parity: run -p (CNI) | as runc
	# parity: network connect, disconnect (CNI) | as runc
	[ -x /usr/lib/cni/bridge ] || skip "no CNI plugins"
	CONTAINERS_CONF=$STORE/cni.conf
	networks_work cni
}

@test "network: none means none" {
	# parity: run --network none | as runc
	run pod run --rm --network none busybox ls /sys/class/net
	[ "$output" = lo ]
}

@test "run: init, limits, capabilities, seccomp, sysctls, names, devices" {
	# parity: run --init | as runc
	# parity: run --memory | as runc; what the VM itself needs is on top, in the host's cgroup
	# parity: run --cpus | as runc
	# parity: run --pids-limit | as runc
	# parity: run --ulimit | as runc
	# parity: run --shm-size | as runc
	# parity: run --sysctl | as runc
	# parity: run --cap-add, --cap-drop | as runc
	# parity: run --security-opt no-new-privileges | as runc
	# parity: run --security-opt seccomp=FILE | as runc
	# parity: run --add-host | as runc
	# parity: run --dns | as runc
	# parity: run --group-add | as runc
	# parity: run --device (character) | differs: the device is the guest kernel's; one it does not have is an error
	pod run -d --name f --init --memory 400m --cpus 1.5 --pids-limit 40 --ulimit nofile=77:88 --shm-size 32m \
		--sysctl kernel.msgmax=9000 --cap-add NET_ADMIN --cap-drop CHOWN --security-opt no-new-privileges \
		--security-opt "seccomp=$STORE/seccomp.json" --add-host db:192.0.2.7 --dns 192.0.2.53 --group-add 42 \
		--device /dev/zero:/dev/nought busybox sleep 1000
	run pod exec f sh -c 'cat /proc/1/comm; cd /sys/fs/cgroup; cat memory.max cpu.max pids.max; ulimit -n; ulimit -Hn
		df -m /dev/shm | awk "END { print \$2 }"; cat /proc/sys/kernel/msgmax; id -G
		caps=0x$(awk "/CapEff/ { print \$2 }" /proc/self/status); echo $((caps >> 12 & 1)) $((caps & 1))
		awk "/NoNewPrivs|Seccomp:/ { print \$2 }" /proc/self/status; mkdir /x 2> /dev/null || echo no mkdir
		head -c 2 /dev/nought | od -An -tx1; grep -c "192.0.2.7.*db" /etc/hosts; cat /etc/resolv.conf'
	echo "$output"
	[ "$(xargs <<< "$output")" = "podman-init 419430400 150000 100000 40 77 88 32 9000 0 42 1 0 1 2 no mkdir 00 00 1 \
nameserver 192.0.2.53" ]
	[ "$(cat /proc/sys/kernel/msgmax)" != 9000 ]
	# Outside: the stand-in is the container's process, in a cgroup with the limit.
	pid=$(pod inspect f --format '{{.State.Pid}}')
	[ -d "/proc/$pid" ]
	# What is used counts the VM; the limit is the one that was asked for.
	[[ "$(pod stats --no-stream --format '{{.MemUsage}}' f)" == *"MB / 419.4MB" ]]
	[ "$(pod run --rm --memory 60m busybox cat /sys/fs/cgroup/memory.max)" = 62914560 ]
	mknod "$BATS_TEST_TMPDIR/kvm" c 10 232
	run -126 pod run --rm --device "$BATS_TEST_TMPDIR/kvm:/dev/kvm" busybox true
	[[ "$output" == *"/dev/kvm: the guest's kernel has no character device"* ]]
}

@test "logs -f and attach follow the output, attach carries the input" {
	# parity: logs -f | as runc
	# parity: attach | as runc
	# parity: run -i | as runc
	[ "$(echo ping | pod run --rm -i busybox cat)" = ping ]
	pod run -d -i --name l busybox sh -c 'echo ready; while read -r line; do echo "got $line"; done; echo over; exit 5'
	pod logs -f l > "$BATS_TEST_TMPDIR/log" 3>&- &
	follower=$!
	run pod attach l <<< word
	echo "$output"
	[[ "$output" == *"got word"*over* ]]
	wait "$follower"
	[ "$(xargs < "$BATS_TEST_TMPDIR/log")" = "ready got word over" ]
	[ "$(pod inspect l --format '{{.State.ExitCode}}')" = 5 ]
}

@test "terminals: run -it, exec -it" {
	# parity: run -it | as runc
	# parity: exec -it | as runc
	run pod_tty run --rm -it busybox sh -c "'test -t 0 && tty; exit 5'"
	echo "$output"
	[ "$status" -eq 5 ]
	[[ "$output" == */dev/pts/0* || "$output" == */dev/console* ]]
	pod run -d --name t busybox sleep 1000
	run pod_tty exec -it t sh -c "'test -t 0 && test -t 1 && echo terminal'"
	[[ "$output" == *terminal* ]]
	[ "$(pod exec -i t cat <<< plain)" = plain ]
}

@test "run -it: resize, Ctrl-C, detach, attach; exec -it with keys of its own" {
	# parity: run -it, resized | as runc
	# parity: detach by ctrl-p ctrl-q | as runc
	# parity: attach after a detach | as runc
	# parity: exec --detach-keys | as runc
	local podman="podman --root $STORE/root --runroot $STORE/run --tmpdir $STORE/tmp --cgroup-manager cgroupfs"
	terminal_setup
	open_terminal "$podman --runtime $STORE/kata run -it --name one -e PS1='guest> ' busybox sh; echo code \$?"
	expect '^guest>' 60
	type_line 'clear; stty size'
	expect '^30 100$'
	tm resize-window -t t -x 83 -y 24
	type_line 'clear; until [ "$(stty size)" = "24 83" ]; do sleep 0.1; done; echo resized $((1 + 1))'
	expect '^resized 2$'
	type_line 'clear; echo pid of sleep; sleep 1000'
	expect '^pid of sleep$'
	wait_for 20 pod exec one sh -c 'ps | grep -q "sleep 100[0]"'
	tm send-keys -t t C-c
	type_line 'echo status $?'
	expect '^status 130$'
	type_line 'clear; word=kept; echo word $word'
	expect '^word kept$'
	# podman knows a key only if it comes alone.
	tm send-keys -t t C-p
	sleep 1
	tm send-keys -t t C-q
	expect 'code 0$'
	status_is one running
	tm resize-window -t t -x 70 -y 20
	type_line "clear; $podman attach one; echo code \$?"
	sleep 1 # what is typed before podman has the terminal, the host's shell would read
	type_line ''
	expect '^guest>'
	type_line 'clear; until [ "$(stty size)" = "20 70" ]; do sleep 0.1; done; echo still $word'
	expect '^still kept$'
	type_line 'clear; exit 5'
	expect '^code 0$' # attach does not tell the status
	wait_for 20 status_is one exited
	[ "$(pod inspect one --format '{{.State.ExitCode}}')" = 5 ]
	type_line "clear; $podman start one; $podman exec -it --detach-keys ctrl-y -e PS1='exec> ' one sh; echo code \$?"
	expect '^exec>' 60
	tm resize-window -t t -x 77 -y 22
	type_line 'clear; until [ "$(stty size)" = "22 77" ]; do sleep 0.1; done; echo resized $((1 + 1))'
	expect '^resized 2$'
	tm send-keys -t t C-y
	expect '^code '
	wait_for 20 pod exec one sh -c '[ "$(ps | grep -c " sh$")" -eq 2 ]'
}

@test "run --device: a block device of the host" {
	# parity: run --device (block) | as runc
	head -c 16M /dev/zero > "$BATS_TEST_TMPDIR/disk.img"
	LOOP=$(losetup -f --show "$BATS_TEST_TMPDIR/disk.img")
	pod run --rm --device "$LOOP:/dev/xvda" busybox sh -c \
		'[ "$(wc -c < /dev/xvda)" -eq 16777216 ] && echo written | dd of=/dev/xvda conv=fsync 2> /dev/null'
	[ "$(head -c 7 "$BATS_TEST_TMPDIR/disk.img")" = written ]
	run pod run --rm --device "$LOOP:/dev/xvda:r" busybox sh -c 'head -c 7 /dev/xvda; echo no > /dev/xvda'
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == written* ]]
	[ "$(head -c 7 "$BATS_TEST_TMPDIR/disk.img")" = written ]
}

@test "exec: user, directory, environment, detached; update" {
	# parity: exec -d, -u, -w, -e | as runc
	# parity: update | as runc, as a whole or not at all; a limit below what stays in use is refused
	pod run -d --name e --memory 400m busybox sleep 1000
	[ "$(pod exec -u 77:88 -w /tmp -e A=b e sh -c 'echo "$(id -u) $(id -g) $PWD $A"')" = "77 88 /tmp b" ]
	pod exec -d e sh -c 'echo there > /tmp/detached'
	wait_for 20 pod exec e test -s /tmp/detached
	pod update --cpus 0.7 --memory 800m e
	[ "$(pod exec e cat /sys/fs/cgroup/cpu.max)" = "70000 100000" ]
	[ "$(pod exec e cat /sys/fs/cgroup/memory.max)" -gt 419430400 ]
}

@test "what belongs to the host is refused with a clear line" {
	# parity: run --network host | refused: a VM has a network of its own
	# parity: run --pid host | refused: a VM has processes of its own
	# parity: run --ipc host | refused: a VM has IPC objects of its own
	# parity: run --uts host | refused: a VM has a name of its own
	# parity: run --systemd=always | refused where the host has cgroup version 1: podman then passes in a tree of the host
	# parity: container checkpoint | refused: a VM's processes cannot be taken out of it
	run pod run --rm --network host busybox true
	[ "$status" -ne 0 ]
	[[ "$output" == *"host network is not supported: the container runs in a VM"* ]]
	for kind in pid ipc uts; do
		run pod run --rm "--$kind" host busybox true
		echo "$output"
		[ "$status" -ne 0 ]
		[[ "$output" == *"linux.namespaces: no $kind namespace; a container in a VM cannot"* ]]
	done
	run pod run --rm --systemd=always busybox true
	echo "$output"
	if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
		[ "$status" -eq 0 ]
	else
		[ "$status" -ne 0 ]
		[[ "$output" == *"/sys/fs/cgroup/systemd is a cgroup tree of the host; a VM has one of its own"* ]]
	fi
	pod run -d --name c busybox sleep 1000
	run pod container checkpoint c
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *heckpoint* ]]
	status_is c running
	run kata checkpoint c
	[ "$status" -ne 0 ]
	[[ "$output" == *"checkpoint is not supported"* ]]
}

@test "rootless podman and an ordinary user are refused with one line that says why" {
	# parity: rootless | refused: tap devices, mounts and namespaces need root of the host
	user=$(mktemp -d /tmp/kata-rootless.XXXXXX)
	ROOTLESS=$user
	mkdir "$user/home" "$user/run" "$user/bin"
	cp "$BUILD/kata-runtime" "$user/bin/"
	tar -C "$STORE/image/rootfs" -cf "$user/image.tar" .
	chown -R 54321:54321 "$user"
	chmod 755 "$user"
	chmod 700 "$user/run"
	cd "$user"
	as_user() {
		setpriv --reuid 54321 --regid 54321 --clear-groups env -i HOME="$user/home" XDG_RUNTIME_DIR="$user/run" \
			PATH="$PATH" "$@"
	}
	as_user podman --cgroup-manager cgroupfs import image.tar busybox > /dev/null
	run as_user podman --cgroup-manager cgroupfs --runtime "$user/bin/kata-runtime" run --rm --network none busybox true
	echo "$output"
	[ "$status" -ne 0 ]
	[ "$(grep -c 'rootless use is not supported: .* need root of the host' <<< "$output")" = 1 ]
	mkdir bundle
	"$REPO/tests/lib/make-bundle.sh" bundle true
	chown -R 54321:54321 bundle
	run as_user bin/kata-runtime --root "$user/run/kata" run --bundle bundle x
	echo "$output"
	[ "$status" -ne 0 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *"rootless use is not supported: "*"need root"* ]]
}

@test "a stand-in killed by hand ends its container with 137" {
	# parity: kill -9 of the container's process from the host | as runc
	pod run -d --name k busybox sleep 1000
	kill -9 "$(pod inspect k --format '{{.State.Pid}}')"
	wait_for 10 sh -c "[ \"\$(podman --root $STORE/root --runroot $STORE/run --tmpdir $STORE/tmp inspect k --format '{{.State.Status}}')\" = exited ]"
	[ "$(pod inspect k --format '{{.State.ExitCode}}')" = 137 ]
}
