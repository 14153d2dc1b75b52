#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A real Kubernetes of one node, whose kubelet runs pods of the RuntimeClass kata by containerd. Only where
# KATA_TEST_KUBERNETES=1, since its program takes half an hour to build the first time.

load helpers
bats_require_minimum_version 1.5.0

setup_file() {
	local program
	[ -n "${KATA_TEST_KUBERNETES:-}" ] || { skip_file "KATA_TEST_KUBERNETES=1 runs these"; return; }
	for program in containerd etcd openssl catatonit; do
		command -v "$program" > /dev/null ||
			{ skip_file "there is no $program: tests/deps.sh kubernetes"; return; }
	done
	[ -d /etc/containerd ] || { skip_file "there is no /etc/containerd"; return; }
	# The newest Go there is: /usr/local/go is where it lies when it is no package.
	KUBERNETES=$(PATH=/usr/local/go/bin:$PATH CGO_ENABLED=0 GO_BUILD_SECONDS=7200 nice \
		"$REPO/tests/lib/go-build.sh" "$REPO/tests/kubernetes") || { skip_file "$KUBERNETES"; return; }
	CRI=$("$REPO/tests/lib/go-build.sh" "$REPO/tests/cri") || { skip_file "$CRI"; return; }
	export KUBERNETES CRI NODE=$BATS_FILE_TMPDIR/node
	"$BATS_TEST_DIRNAME/../lib/kubernetes.sh" start "$NODE"
	"$NODE/bin/kubectl" label node node katacontainers.io/kata-runtime=true
	"$NODE/bin/kubectl" apply -f "$BATS_TEST_DIRNAME/../../deploy/kubernetes/runtimeclass.yaml"
}

teardown_file() {
	[ -z "${NODE:-}" ] || "$BATS_TEST_DIRNAME/../lib/kubernetes.sh" stop "$NODE"
}

k() {
	timeout "${LIMIT:-120}" "$NODE/bin/kubectl" "$@"
}

# pod NAME: standard input is the rest of its spec.
pod() {
	{
		cat <<-YAML
		apiVersion: v1
		kind: Pod
		metadata: { name: $1, labels: { app: $1 }, annotations: { ${ANNOTATIONS:-} } }
		spec:
		  runtimeClassName: ${HANDLER:-kata}
		  terminationGracePeriodSeconds: 2
		YAML
		sed 's/^/  /'
	} | k apply -f -
}

# ready NAME ...: waits until the pods are, or says why they are not.
ready() {
	local name
	for name; do
		k wait --for condition=Ready "pod/$name" --timeout 110s || { k describe pod "$name"; return 1; }
	done
}

# get NAME JSONPATH
get() {
	k get pod "$1" -o jsonpath="{$2}"
}

is() {
	[ "$(get "$1" "$2")" = "$3" ]
}

logged() {
	k logs "$1" -c "$2" | grep -q -- "$3"
}

# in_container POD CONTAINER SCRIPT
in_container() {
	k exec "$1" -c "$2" -- sh -c "$3"
}

# event POD PATTERN: the newest message of such an event is in $EVENT.
event() {
	EVENT=$(k get events --field-selector "involvedObject.name=$1" -o json |
		jq -r --arg pattern "$2" '[ .items[].message | select(test($pattern)) ][-1] // empty')
	[ -n "$EVENT" ]
}

no_pods() {
	[ -z "$(k get pods -A -o name)" ]
}

# What a pod leaves: directories of kubelet, of the shim, of CNI, and cgroups.
pods_left() {
	find "$NODE"/var-lib/kubelet/pods "$NODE"/run/kata "$NODE"/run/netns -mindepth 1 -not -path '*/ns' \
		-not -path '*/ns/k8s.io' 2> /dev/null
	find /sys/fs/cgroup -type d -path "*/$(cat "$NODE/cgroup")/*/pod*" 2> /dev/null
}

nothing_left() {
	[ -z "$(pods_left)" ]
}

teardown() {
	[ -n "${NODE:-}" ] || return 0
	[ -n "$BATS_TEST_COMPLETED" ] || { k get pods -A -o wide; k get events -A --sort-by=.lastTimestamp | tail -20; } || true
	k delete deployments,daemonsets,pods,persistentvolumeclaims,persistentvolumes --all -A --grace-period 1 --wait=false > /dev/null
	wait_for 90 no_pods
	wait_for 60 nothing_left || { pods_left; false; }
	KATA_TEST_SCOPE="$BUILD|$NODE" "$REPO/tests/lib/leaks.sh"
}

@test "a pod's life: init container, localhost, logs, exec, attach, cp, port-forward, probes, statistics" {
	pod life <<-YAML
	volumes: [ { name: shared, emptyDir: {} } ]
	initContainers:
	- { name: init, image: "kata.test/busybox:1", command: [ sh, -c, "echo prepared > /shared/index.html" ],
	    volumeMounts: [ { name: shared, mountPath: /shared } ] }
	containers:
	- name: web
	  image: kata.test/busybox:1
	  command: [ sh, -c, "echo up; exec httpd -f -p 8080 -h /shared" ]
	  volumeMounts: [ { name: shared, mountPath: /shared } ]
	  readinessProbe: { httpGet: { path: /index.html, port: 8080 }, periodSeconds: 1, timeoutSeconds: 10 }
	  livenessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 2, timeoutSeconds: 10 }
	  resources: { requests: { memory: 32Mi, cpu: 100m }, limits: { memory: 64Mi, cpu: 500m } }
	- name: client
	  image: kata.test/busybox:1
	  stdin: true
	  command: [ sh, -c, "read line; echo got \$line; exec sleep 1000" ]
	  startupProbe: { exec: { command: [ test, -e, /proc/1 ] }, periodSeconds: 1, timeoutSeconds: 20 }
	YAML
	ready life
	is life .spec.overhead.memory 176Mi
	is life .spec.nodeName node
	[ "$(in_container life client 'wget -qO- 127.0.0.1:8080/index.html')" = prepared ]
	[[ "$(in_container life client 'cat /proc/cmdline')" == *console=* ]]
	[ "$(in_container life web 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max')" = $'67108864\n50000 100000' ]
	logged life web '^up$'
	run k exec life -c client -- sh -c 'exit 7'
	[ "$status" -eq 7 ]
	[ "$(k exec -i life -c client -- cat <<< typed)" = typed ]
	run -0 script -qec "'$NODE/bin/kubectl' exec -it life -c client -- tty" /dev/null < /dev/null
	[[ "$output" == */dev/pts/* ]]
	k attach -i life -c client <<< hello || true
	wait_for 20 logged life client '^got hello$'

	head -c 3000000 /dev/urandom > "$BATS_TEST_TMPDIR/file"
	k cp "$BATS_TEST_TMPDIR/file" life:/tmp/file -c client
	k cp life:/tmp/file "$BATS_TEST_TMPDIR/back" -c client
	cmp "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/back"

	k port-forward life 9999:8080 > "$BATS_TEST_TMPDIR/forward" 2>&1 3>&- &
	local forward=$!
	wait_for 20 grep -q Forwarding "$BATS_TEST_TMPDIR/forward"
	run nsenter --target "$(cat "$NODE/node.pid")" --net curl -s --max-time 60 http://127.0.0.1:9999/index.html
	kill "$forward"
	wait "$forward" || true
	[ "$output" = prepared ]

	summary() {
		k get --raw /api/v1/nodes/node/proxy/stats/summary > "$BATS_TEST_TMPDIR/summary"
		jq -e '.pods[] | select(.podRef.name == "life") | (.containers | length) == 2 and
			([ .containers[] | .memory.workingSetBytes > 100000 and .cpu.usageCoreNanoSeconds > 0 ] | all)' \
			"$BATS_TEST_TMPDIR/summary"
	}
	wait_for 40 summary || { jq .pods "$BATS_TEST_TMPDIR/summary"; false; }
	is life '.status.containerStatuses[*].restartCount' '0 0'
}

# vm POD: the process number of the pod's VM.
vm() {
	pgrep -f "qemu-system.*$(nsenter --target "$(cat "$NODE/node.pid")" --mount "$CRI" "$NODE/containerd/containerd.sock" pods |
		awk -v pod="$1" '$2 == "READY" && $3 == pod { print $1 }')"
}

@test "the pod's cgroup: the VM is in it, limits are the containers' and the overhead; resized while it runs" {
	pod sized <<-YAML
	containers:
	- name: c
	  image: kata.test/busybox:1
	  command: [ sleep, "1000" ]
	  resources: { requests: { memory: 100Mi, cpu: 200m }, limits: { memory: 100Mi, cpu: 200m } }
	  resizePolicy: [ { resourceName: memory, restartPolicy: NotRequired } ]
	YAML
	ready sized
	is sized .status.qosClass Guaranteed
	local file cgroup=/kubepods/pod$(get sized .metadata.uid)
	file=$(find /sys/fs/cgroup -path "*/$(cat "$NODE/cgroup")$cgroup/memory.max" -o \
		-path "*/memory/$(cat "$NODE/cgroup")$cgroup/memory.limit_in_bytes")
	[ "$(cat "$file")" -eq $((276 << 20)) ]
	find "${file%/*}" -name cgroup.procs -exec cat {} + | grep -qx "$(vm sized)"
	k patch pod sized --subresource resize -p '{"spec":{"containers":[{"name":"c","resources":{
		"requests":{"memory":"300Mi","cpu":"400m"},"limits":{"memory":"300Mi","cpu":"400m"}}}]}}'
	resized() { [ "$(in_container sized c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max')" = $'314572800\n40000 100000' ]; }
	wait_for 60 resized
	[ "$(cat "$file")" -eq $((476 << 20)) ]
	wait_for 60 is sized '.status.containerStatuses[0].resources.limits.memory' 300Mi
	is sized '.status.containerStatuses[0].restartCount' 0
	# The guest has what the container may use.
	[ "$(in_container sized c 'awk "/MemTotal/ { print int(\$2 / 1024) }" /proc/meminfo')" -gt 280 ]
}

@test "a container out of memory is told so; a volume over its limit evicts; a sidecar and a postStart hook" {
	pod hungry <<-YAML
	initContainers:
	- { name: sidecar, image: "kata.test/busybox:1", restartPolicy: Always, command: [ sleep, "1000" ] }
	containers:
	- name: c
	  image: kata.test/busybox:1
	  command: [ sh, -c, "sleep 3; head -c 100000000 /dev/zero | tail -c 90000000 | wc -c" ]
	  resources: { limits: { memory: 32Mi } }
	- name: hooked
	  image: kata.test/busybox:1
	  command: [ sleep, "1000" ]
	  lifecycle: { postStart: { exec: { command: [ touch, /tmp/started ] } } }
	YAML
	pod big <<-YAML
	volumes: [ { name: disk, emptyDir: { sizeLimit: 4Mi } } ]
	containers:
	- name: c
	  image: kata.test/busybox:1
	  command: [ sh, -c, "head -c 9000000 /dev/zero > /disk/x; exec sleep 1000" ]
	  volumeMounts: [ { name: disk, mountPath: /disk } ]
	YAML
	killed() {
		[ "$(k get pod hungry -o json | jq -r '.status.containerStatuses[] | select(.name == "c") |
			(.state.terminated // .lastState.terminated).reason')" = OOMKilled ]
	}
	wait_for 90 killed || { k get pod hungry -o json | jq .status; false; }
	is hungry '.status.initContainerStatuses[0].restartCount' 0
	in_container hungry hooked 'test -e /tmp/started'
	wait_for 120 is big .status.reason Evicted
}

@test "a VM that dies is replaced; kubelet and containerd may be restarted" {
	pod phoenix <<-YAML
	containers:
	- { name: c, image: "kata.test/busybox:1", command: [ sh, -c, "cat /proc/sys/kernel/random/boot_id; exec sleep 1000" ] }
	YAML
	ready phoenix
	local boot first=$(vm phoenix)
	boot=$(k logs phoenix)
	nsenter --target "$(cat "$NODE/node.pid")" --mount --pid systemctl restart containerd
	in_container phoenix c true
	"$REPO/tests/lib/kubernetes.sh" restart-kubelet "$NODE"
	sleep 5
	ready phoenix
	[ "$(k logs phoenix)" = "$boot" ]
	is phoenix '.status.containerStatuses[0].restartCount' 0
	kill -9 "$first"
	reborn() { is phoenix '.status.containerStatuses[0].restartCount' 1 && k logs phoenix | grep -q -- -; }
	wait_for 120 reborn
	[ "$(k logs phoenix)" != "$boot" ]
	# The shim, too: nobody is left who could say anything about the VM.
	kill -9 "$(ps -o ppid= -p "$(vm phoenix)")"
	again() { is phoenix '.status.containerStatuses[0].restartCount' 2 && in_container phoenix c true; }
	wait_for 120 again
}

@test "containers that crash, that a liveness probe kills, and what they say at their end" {
	pod crash <<-YAML
	restartPolicy: Always
	containers:
	- { name: crash, image: "kata.test/busybox:1", command: [ sh, -c, "echo -n bye > /dev/termination-log; exit 3" ] }
	- { name: logs, image: "kata.test/busybox:1", terminationMessagePolicy: FallbackToLogsOnError,
	    command: [ sh, -c, "echo last words; exit 4" ] }
	- name: probed
	  image: kata.test/busybox:1
	  command: [ sh, -c, "cat /proc/sys/kernel/random/boot_id; touch /tmp/alive; exec sleep 1000" ]
	  livenessProbe: { exec: { command: [ cat, /tmp/alive ] }, periodSeconds: 1, failureThreshold: 3, timeoutSeconds: 30 }
	- { name: steady, image: "kata.test/busybox:1", command: [ sleep, "1000" ] }
	YAML
	last() { is crash ".status.containerStatuses[?(@.name==\"$1\")].lastState.terminated.$2" "$3"; }
	running() { [ -n "$(get crash ".status.containerStatuses[?(@.name==\"$1\")].state.running.startedAt")" ]; }
	wait_for 60 running probed
	wait_for 60 running steady
	in_container crash probed 'rm /tmp/alive'
	wait_for 90 last crash exitCode 3
	last crash message bye
	wait_for 60 last logs message "last words"
	wait_for 60 last probed exitCode 137
	wait_for 60 running probed
	# The same VM as before.
	[ "$(k logs crash -c probed)" = "$(k logs crash -c probed --previous)" ]
	is crash '.status.containerStatuses[?(@.name=="steady")].restartCount' 0
}

@test "configMap, secret, downwardAPI and projected volumes; updates are seen" {
	k create configmap settings --from-literal=colour=blue --from-literal=size=10
	k create secret generic hidden --from-literal=password=s3cret
	pod config <<-YAML
	securityContext: { fsGroup: 3000 }
	volumes:
	- { name: settings, configMap: { name: settings } }
	- name: all
	  projected:
	    sources:
	    - { configMap: { name: settings, items: [ { key: size, path: deep/size } ] } }
	    - { secret: { name: hidden } }
	    - { downwardAPI: { items: [ { path: labels, fieldRef: { fieldPath: metadata.labels } } ] } }
	    - { serviceAccountToken: { path: token, expirationSeconds: 3600 } }
	containers:
	- name: c
	  image: kata.test/busybox:1
	  command: [ sleep, "1000" ]
	  env:
	  - { name: PASSWORD, valueFrom: { secretKeyRef: { name: hidden, key: password } } }
	  - { name: IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
	  - { name: LIMIT, valueFrom: { resourceFieldRef: { resource: limits.memory } } }
	  envFrom: [ { configMapRef: { name: settings, optional: false }, prefix: SET_ } ]
	  resources: { limits: { memory: 64Mi, cpu: 1 } }
	  volumeMounts:
	  - { name: settings, mountPath: /settings }
	  - { name: settings, mountPath: /one/colour, subPath: colour }
	  - { name: all, mountPath: /all, readOnly: true }
	YAML
	ready config
	local out
	out=$(in_container config c 'echo $PASSWORD $LIMIT $SET_colour; cat /settings/colour /all/deep/size /all/password /one/colour; echo
		cat /all/labels; echo; wc -c < /all/token; ls /var/run/secrets/kubernetes.io/serviceaccount; stat -c %g /settings/colour')
	echo "$out"
	[[ "$out" == "s3cret 67108864 blue"$'\n'"blue10s3cretblue"$'\n''app="config"'$'\n'* ]]
	[[ "$out" == *ca.crt*namespace*token*3000 ]]
	[[ "$(in_container config c 'hostname -i; echo $IP')" == *"$(get config .status.podIP)" ]]
	k patch configmap settings -p '{"data":{"colour":"green"}}'
	k label pod config later=yes
	updated() { [ "$(in_container config c 'cat /settings/colour')" = green ]; }
	wait_for 60 updated
	labelled() { in_container config c 'cat /all/labels' | grep -q 'later="yes"'; }
	wait_for 60 labelled
	k delete configmap settings
	k delete secret hidden
}

@test "volumes: emptyDir on disk and in memory, subPath, hostPath, fsGroup, a block device" {
	local host=$NODE/opt/volumes
	mkdir -p "$host/dir"
	echo content > "$host/file"
	truncate -s 8M "$NODE/opt/disk"
	k apply -f - <<-YAML
	apiVersion: v1
	kind: PersistentVolume
	metadata: { name: disk }
	spec:
	  capacity: { storage: 8Mi }
	  accessModes: [ ReadWriteOnce ]
	  volumeMode: Block
	  storageClassName: ""
	  persistentVolumeReclaimPolicy: Retain
	  local: { path: /opt/loop }
	  nodeAffinity: { required: { nodeSelectorTerms: [ { matchExpressions: [ { key: kubernetes.io/hostname, operator: In, values: [ node ] } ] } ] } }
	---
	apiVersion: v1
	kind: PersistentVolumeClaim
	metadata: { name: disk }
	spec: { accessModes: [ ReadWriteOnce ], volumeMode: Block, storageClassName: "", resources: { requests: { storage: 8Mi } } }
	YAML
	LOOP=$(losetup --show -f "$NODE/opt/disk")
	ln -s "$LOOP" "$NODE/opt/loop"
	pod volumes <<-YAML
	securityContext: { fsGroup: 4000, runAsUser: 1000 }
	volumes:
	- { name: disk, emptyDir: { sizeLimit: 10Mi } }
	- { name: memory, emptyDir: { medium: Memory, sizeLimit: 4Mi } }
	- { name: dir, hostPath: { path: /opt/volumes/dir, type: Directory } }
	- { name: new, hostPath: { path: /opt/volumes/new, type: DirectoryOrCreate } }
	- { name: file, hostPath: { path: /opt/volumes/file, type: File } }
	- { name: block, persistentVolumeClaim: { claimName: disk } }
	containers:
	- name: one
	  image: kata.test/busybox:1
	  command: [ sleep, "1000" ]
	  env: [ { name: POD, valueFrom: { fieldRef: { fieldPath: metadata.name } } } ]
	  volumeMounts:
	  - { name: disk, mountPath: /disk }
	  - { name: disk, mountPath: /sub, subPath: a/b }
	  - { name: disk, mountPath: /expr, subPathExpr: \$(POD)-x }
	  - { name: memory, mountPath: /memory }
	  - { name: file, mountPath: /file, readOnly: true }
	- name: two
	  image: kata.test/busybox:1
	  command: [ sleep, "1000" ]
	  securityContext: { runAsUser: 0 }
	  volumeDevices: [ { name: block, devicePath: /dev/data } ]
	  volumeMounts:
	  - { name: memory, mountPath: /memory }
	  - { name: dir, mountPath: /dir, mountPropagation: HostToContainer }
	  - { name: new, mountPath: /new }
	YAML
	ready volumes
	in_container volumes one 'echo 1 > /disk/x && echo 2 > /sub/x && echo 3 > /expr/x && echo shared > /memory/x'
	[ "$(in_container volumes one 'cat /disk/a/b/x /disk/volumes-x/x /file')" = $'2\n3\ncontent' ]
	[ "$(in_container volumes one 'stat -c %g /disk/x /memory/x')" = $'4000\n4000' ]
	run in_container volumes one 'echo x > /file'
	[ "$status" -ne 0 ]
	[ "$(in_container volumes two 'cat /memory/x')" = shared ]
	run in_container volumes one 'dd if=/dev/zero of=/memory/big bs=1M count=8'
	[[ "$output" == *"No space left"* ]]
	in_container volumes two 'echo node > /dir/x; echo node > /new/x; echo data > /tmp/in; dd if=/tmp/in of=/dev/data conv=fsync; test -b /dev/data'
	[ "$(cat "$host/dir/x" "$host/new/x")" = $'node\nnode' ]
	[ "$(head -c 4 "$NODE/opt/disk")" = data ]
	LIMIT=120 k delete pod volumes
	losetup -d "$LOOP"
	[ "$(head -c 4 "$NODE/opt/disk")" = data ]
}

@test "security contexts, a shared process namespace, sysctls, host aliases" {
	pod secure <<-YAML
	shareProcessNamespace: true
	hostAliases: [ { ip: 192.0.2.7, hostnames: [ seven.test ] } ]
	securityContext:
	  seccompProfile: { type: RuntimeDefault }
	  supplementalGroups: [ 5000 ]
	  sysctls: [ { name: net.ipv4.ip_unprivileged_port_start, value: "80" } ]
	containers:
	- name: user
	  image: kata.test/busybox:1
	  command: [ sleep, "1111" ]
	  securityContext: { runAsUser: 1000, runAsGroup: 3000, runAsNonRoot: true, readOnlyRootFilesystem: true,
	    allowPrivilegeEscalation: false, capabilities: { drop: [ ALL ] } }
	- name: privileged
	  image: kata.test/busybox:1
	  command: [ sleep, "2222" ]
	  securityContext: { privileged: true }
	YAML
	ready secure
	local out
	out=$(in_container secure user 'id; touch /x; grep -E "Seccomp:|NoNewPrivs|CapEff" /proc/self/status; ps; cat /etc/hosts
		cat /proc/sys/net/ipv4/ip_unprivileged_port_start' 2>&1)
	echo "$out"
	[[ "$out" == *"uid=1000 gid=3000"*"5000"* ]]
	[[ "$out" == *"Read-only file system"* || "$out" == *"Permission denied"* ]]
	grep -q 'Seccomp:.*2' <<< "$out"
	grep -q 'NoNewPrivs:.*1' <<< "$out"
	grep -q 'CapEff:.*0000000000000000' <<< "$out"
	grep -q 'sleep 2222' <<< "$out"
	grep -q 'seven.test' <<< "$out"
	[ "$(tail -n 1 <<< "$out")" = 80 ]
	in_container secure privileged 'mount -t tmpfs x /tmp && umount /tmp && grep -q "Seccomp:.*0" /proc/self/status'
}

@test "kubectl debug: an ephemeral container sees its target" {
	pod target <<-YAML
	containers: [ { name: c, image: "kata.test/busybox:1", command: [ sleep, "1234" ] } ]
	YAML
	ready target
	k debug target --image kata.test/busybox:1 --target c -c debug --image-pull-policy Never -- \
		sh -c 'ps; ls -l /proc/1/root/bin/busybox && echo seen; sleep 1000'
	wait_for 60 logged target debug '^seen$'
	logged target debug 'sleep 1234'
	in_container target debug 'true'
	is target '.status.containerStatuses[0].restartCount' 0
}

@test "deletion: with a preStop hook, in time, by force, while it is busy" {
	mkdir -p "$NODE/opt/ends"
	pod graceful <<-YAML
	terminationGracePeriodSeconds: 60
	volumes: [ { name: ends, hostPath: { path: /opt/ends } } ]
	containers:
	- name: c
	  image: kata.test/busybox:1
	  command: [ sh, -c, "trap 'echo term >> /ends/log; exit 0' TERM; while :; do sleep 0.1; done" ]
	  volumeMounts: [ { name: ends, mountPath: /ends } ]
	  lifecycle: { preStop: { exec: { command: [ sh, -c, "echo stop >> /ends/log" ] } } }
	YAML
	pod busy <<-YAML
	containers:
	- { name: c, image: "kata.test/busybox:1", command: [ sh, -c, "trap '' TERM; while :; do :; done" ] }
	YAML
	ready graceful busy
	k exec busy -- sleep 1000 > /dev/null 2>&1 3>&- &
	local exec=$!
	k delete pod graceful
	[ "$(cat "$NODE/opt/ends/log")" = $'stop\nterm' ]
	k delete pod busy --force
	wait "$exec" || true
	wait_for 60 nothing_left
	pod job <<-YAML
	restartPolicy: OnFailure
	containers: [ { name: c, image: "kata.test/busybox:1", command: [ sh, -c, "exit 0" ] } ]
	YAML
	wait_for 60 is job .status.phase Succeeded
}

@test "probes that time out leave nothing running; names, a seccomp profile of the node, kubectl run" {
	mkdir -p "$NODE/var-lib/kubelet/seccomp"
	echo '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [ { "names": [ "chmod", "fchmodat", "fchmodat2" ],
		"action": "SCMP_ACT_ERRNO", "errnoRet": 95 } ] }' > "$NODE/var-lib/kubelet/seccomp/no-chmod.json"
	pod slow <<-YAML
	hostname: renamed
	subdomain: below
	dnsPolicy: None
	dnsConfig: { nameservers: [ 192.0.2.9 ], searches: [ search.test ], options: [ { name: ndots, value: "3" } ] }
	securityContext: { seccompProfile: { type: Localhost, localhostProfile: no-chmod.json } }
	containers:
	- name: c
	  image: kata.test/busybox:1
	  command: [ sleep, "1000" ]
	  livenessProbe: { exec: { command: [ sleep, "4321" ] }, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 1000 }
	YAML
	ready slow
	timed_out() { event slow 'probe.*(timed out|timeout|deadline)'; }
	wait_for 60 timed_out
	[ "$(in_container slow c 'hostname')" = renamed ]
	in_container slow c 'cat /etc/hosts' | grep -q 'renamed.below.default.svc'
	[ "$(in_container slow c 'cat /etc/resolv.conf')" = $'search search.test\nnameserver 192.0.2.9\noptions ndots:3' ]
	run in_container slow c 'chmod 600 /etc/hostname'
	[[ "$output" == *"not supported"* ]]
	several() { [ "$(k get events --field-selector involvedObject.name=slow,reason=Unhealthy -o 'jsonpath={.items[0].count}')" -ge 4 ]; }
	wait_for 60 several
	[ "$(in_container slow c 'ps | grep -c "[s]leep 4321"')" -le 1 ]
	run k run once --image kata.test/busybox:1 --rm -i --restart Never --image-pull-policy Never \
		--overrides '{ "spec": { "runtimeClassName": "kata" } }' -- sh -c 'read x; echo "got $x"' <<< hello
	echo "$output"
	[[ "$output" == *"got hello"* ]]
}

@test "the examples: a pod, and a deployment whose pods serve, are replaced and rolled over" {
	local file name address
	for file in "$REPO"/deploy/kubernetes/example-*.yaml; do
		# A node of two processors has room for three of them then, with the overhead.
		sed 's|docker.io/library/busybox:1.36|kata.test/busybox:1|' "$file" | k apply -f -
	done
	k rollout status deployment/kata-web --timeout 110s
	wait_for 60 logged kata-hello hello '^Linux kata-hello '
	serves() {
		local pods
		pods=$(k get pods -l app=kata-web --field-selector status.phase=Running -o json |
			jq -r '.items[] | select(.metadata.deletionTimestamp == null) | .metadata.name + " " + .status.podIP')
		[ "$(wc -l <<< "$pods")" -eq 2 ] || return
		while read -r name address; do
			[ "$(nsenter --target "$(cat "$NODE/node.pid")" --net curl -s --max-time 20 "http://$address:8080/")" = "$name" ] || return
		done <<< "$pods"
	}
	wait_for 60 serves
	k get endpointslices -l kubernetes.io/service-name=kata-web -o json | jq -e '[ .items[].endpoints[] | select(.conditions.ready) ] | length == 2'
	k delete "$(k get pods -l app=kata-web -o name | head -n 1)"
	wait_for 90 serves
	k patch deployment kata-web -p '{"spec":{"template":{"metadata":{"labels":{"version":"2"}}}}}'
	k rollout status deployment/kata-web --timeout 110s
	wait_for 60 serves
	k delete deployment,service kata-web
}

@test "what cannot be is said in one line, where kubectl describe shows it" {
	sed 's|^kernel_params = .*|kernel_params = "rdinit=/no/such/init"|' "$BUILD/configuration.toml" > "$NODE/broken.toml"
	cat >> "$NODE/containerd/config.toml" <<-TOML
	[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.broken]
	  runtime_type = "io.containerd.kata.v2"
	  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.broken.options]
	    ConfigPath = "$NODE/broken.toml"
	TOML
	nsenter --target "$(cat "$NODE/node.pid")" --mount --pid systemctl restart containerd
	printf 'apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: { name: broken }\nhandler: broken\n' | k apply -f -
	local container='containers: [ { name: c, image: "kata.test/busybox:1", command: [ sleep, "1000" ]' name
	ANNOTATIONS='io.katacontainers.config.hypervisor.default_memory: "99"' pod annotation <<< "$container } ]"
	HANDLER=broken pod unbootable <<< "$container } ]"
	pod hostnet <<< "hostNetwork: true"$'\n'"$container } ]"
	pod nothing <<< 'containers: [ { name: c, image: "kata.test/busybox:1", command: [ /no/such/program ] } ]'
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$NODE/opt/socket"
	pod socket <<-YAML
	volumes: [ { name: s, hostPath: { path: /opt/socket, type: Socket } } ]
	$container, volumeMounts: [ { name: s, mountPath: /s } ] } ]
	YAML
	pod propagation <<-YAML
	volumes: [ { name: s, hostPath: { path: /opt } } ]
	$container, securityContext: { privileged: true },
	  volumeMounts: [ { name: s, mountPath: /s, mountPropagation: Bidirectional } ] } ]
	YAML
	said() {
		wait_for 90 event "$1" "$2" || { k describe pod "$1"; return 1; }
		echo "$1: $EVENT"
		[ "$(wc -l <<< "$EVENT")" -eq 1 ]
	}
	said annotation 'default_memory.*enable_annotations'
	said unbootable 'the guest kernel panicked'
	said hostnet "cannot use the host's network"
	said nothing '/no/such/program'
	said socket 'is a socket of the host'
	said propagation 'Bidirectional'
	k delete runtimeclass broken
}

@test "the installer: its image, its DaemonSet, a pod by what it installed, gone again" {
	local deploy=$REPO/deploy/kubernetes image=$BUILD/kata-deploy.tar
	make -s -C "$REPO" B="${BUILD#"$REPO"/}" deploy-image
	"$REPO/tests/lib/containerd.sh" import "$NODE/containerd" "$image"
	# The node's containerd as it is before.
	sed -i -e '/runtimes.kata\]/,/ConfigPath/d' "$NODE/containerd/config.toml"
	run ! grep kata\\] "$NODE/containerd/config.toml"
	cp "$NODE/containerd/config.toml" "$BATS_TEST_TMPDIR/before"
	nsenter --target "$(cat "$NODE/node.pid")" --mount --pid systemctl restart containerd
	k label node node katacontainers.io/kata-runtime-

	k apply -f "$deploy/rbac.yaml" -f "$deploy/install.yaml"
	labelled() { [ "$(k get node node -o 'jsonpath={.metadata.labels.katacontainers\.io/kata-runtime}')" = "$1" ]; }
	wait_for 120 labelled true || { k -n kube-system logs ds/kata-deploy; k -n kube-system describe pods; false; }
	k -n kube-system rollout status daemonset/kata-deploy --timeout 60s
	sed 's|docker.io/library/busybox:1.36|kata.test/busybox:1|; s|"uname", "-a"|"sh", "-c", "cat /proc/cmdline; sleep 1000"|' \
		"$deploy/example-pod.yaml" | k apply -f -
	wait_for 120 logged kata-hello hello console=
	run pgrep -a qemu-system
	[[ "$output" == */opt/kata/* ]]

	k delete -f "$deploy/install.yaml"
	k apply -f "$deploy/cleanup.yaml"
	wait_for 60 labelled ""
	waits() { k -n kube-system logs ds/kata-cleanup --previous 2>&1 | grep -q "pods of this runtime still run"; }
	wait_for 60 waits || { k -n kube-system logs ds/kata-cleanup; false; }
	k delete pod kata-hello
	removed() { [ ! -e "$NODE/opt/kata" ]; }
	wait_for 120 removed
	k -n kube-system rollout status daemonset/kata-cleanup --timeout 100s
	cmp "$NODE/containerd/config.toml" "$BATS_TEST_TMPDIR/before"
	k delete -f "$deploy/cleanup.yaml" -f "$deploy/rbac.yaml"
}
