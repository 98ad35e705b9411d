"""Lines of nineteen kinds of system with the template each was made from, for `bench.logtemplates`.

The templates imitate what such systems write, and know nothing of the miner's masks. Its settings were chosen
on those of `SYSTEMS`; those of `HELD_OUT` were written afterwards, and nothing was changed for them.
A template's id is its system and place; its slots are filled by a seeded generator.
"""

# ruff: noqa: E501 (a log line is as long as it is)
from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

_NAMES = [
    "root",
    "admin",
    "zhang.wei",
    "li_na",
    "svc-backup",
    "jenkins",
    "oracle",
    "guest",
    "wangfang",
    "ops01",
]
_HOSTS = [
    "db-master",
    "web03",
    "cache-17",
    "node8.prod",
    "gateway",
    "mq-2.internal",
    "nas1",
    "bj-app-09",
    "edge",
]
_WORDS = [
    "orders",
    "payment",
    "inventory",
    "session",
    "catalog",
    "billing",
    "report",
    "search",
    "profile",
    "coupon",
]
_ERRORS = ["Connection refused", "Connection reset by peer", "timed out", "No route to host", "Broken pipe"]
_PEOPLE = ["张伟", "李娜", "王芳芳", "欧阳雪", "陈杰", "赵小龙", "刘洋", "黄丽", "周建国", "吴敏"]
_BRANCHES = [
    "北京分行",
    "上海浦东支行",
    "广州分中心",
    "成都高新网点",
    "杭州营业部",
    "武汉数据中心",
    "西安机房",
]
_CLASSES = ["OrderService", "PaymentGateway", "UserDao", "StockController", "TokenFilter", "MailJob"]

Slots = dict[str, Callable[[random.Random], str]]
SLOTS: Slots = {
    "n": lambda r: str(r.randint(0, 99999)),
    "small": lambda r: str(r.randint(0, 9)),
    "port": lambda r: str(r.randint(1024, 65535)),
    "ip": lambda r: ".".join(str(r.randint(1, 254)) for _ in range(4)),
    "hex": lambda r: f"0x{r.getrandbits(32):x}",
    "sha": lambda r: f"{r.getrandbits(64):016x}",
    "uuid": lambda r: "-".join(f"{r.getrandbits(b):0{b // 4}x}" for b in (32, 16, 16, 16, 48)),
    "ms": lambda r: str(r.randint(1, 5000)),
    "f": lambda r: f"{r.uniform(0, 900):.{r.randint(1, 3)}f}",
    "size": lambda r: f"{r.uniform(1, 900):.1f} {r.choice(['KB', 'MB', 'GB'])}",
    "date": lambda r: f"2026-{r.randint(1, 12):02}-{r.randint(1, 28):02}",
    "clock": lambda r: f"{r.randint(0, 23):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02}",
    "user": lambda r: r.choice(_NAMES),
    "host": lambda r: r.choice(_HOSTS),
    "word": lambda r: r.choice(_WORDS),
    "err": lambda r: r.choice(_ERRORS),
    "who": lambda r: r.choice(_PEOPLE),
    "branch": lambda r: r.choice(_BRANCHES),
    "cls": lambda r: r.choice(_CLASSES),
    "path": lambda r: "/" + "/".join(r.choice(_WORDS) for _ in range(r.randint(1, 4))),
    "file": lambda r: f"/var/{r.choice(_WORDS)}/{r.choice(_WORDS)}-{r.randint(1, 99)}.log",
    "blk": lambda r: f"blk_{r.choice(['', '-'])}{r.getrandbits(62)}",
    "dev": lambda r: f"{r.choice(['SW', 'RT', 'AP', 'FW'])}-{r.choice('ABCDE')}{r.randint(1, 40):02}",
    "if": lambda r: (
        f"{r.choice(['GigabitEthernet', 'Ten-GigabitEthernet'])}{r.randint(0, 3)}/0/{r.randint(1, 48)}"
    ),
    "mac": lambda r: ":".join(f"{r.getrandbits(8):02x}" for _ in range(6)),
    "order": lambda r: f"DD{r.randint(10**11, 10**12 - 1)}",
    "money": lambda r: f"{r.uniform(1, 90000):,.2f}",
    "pct": lambda r: f"{r.randint(1, 100)}%",
    "verb": lambda r: r.choice(["GET", "POST", "PUT", "DELETE"]),
    "code": lambda r: r.choice(["200", "301", "403", "404", "500", "502", "504"]),
    "pod": lambda r: f"{r.choice(_WORDS)}-{r.getrandbits(36):09x}-{r.getrandbits(20):05x}",
    "app": lambda r: f"com.{r.choice(['shop', 'bank', 'chat'])}.{r.choice(_WORDS)}",
}

SYSTEMS: dict[str, tuple[str, ...]] = {
    "nginx": (
        "{n}#0: *{n} connect() failed (111: Connection refused) while connecting to upstream, client: {ip}",
        "{n}#0: *{n} upstream timed out (110: Connection timed out) while reading response header from upstream",
        '{ip} - - "{verb} {path} HTTP/1.1" {code} {n} "-" "Mozilla/5.0"',
        "{n}#0: *{n} open() \"/usr/share/nginx{path}\" failed (2: No such file or directory), client: {ip}",
        "{n}#0: signal process started",
        "{n}#0: worker process {n} exited with code {small}",
        "{n}#0: *{n} client intended to send too large body: {n} bytes, client: {ip}",
        "{n}#0: *{n} SSL_do_handshake() failed while SSL handshaking, client: {ip}, server: 0.0.0.0:443",
        "{n}#0: no live upstreams while connecting to upstream",
    ),
    "sshd": (
        "Accepted password for {user} from {ip} port {port} ssh2",
        "Accepted publickey for {user} from {ip} port {port} ssh2",
        "Failed password for {user} from {ip} port {port} ssh2",
        "Failed password for invalid user {user} from {ip} port {port} ssh2",
        "Invalid user {user} from {ip}",
        "Connection closed by {ip} [preauth]",
        "Received disconnect from {ip}: 11: Bye Bye [preauth]",
        "pam_unix(sshd:session): session opened for user {user} by (uid={small})",
        "pam_unix(sshd:session): session closed for user {user}",
        "error: maximum authentication attempts exceeded for {user} from {ip} port {port} ssh2 [preauth]",
        "reverse mapping checking getaddrinfo for {host} [{ip}] failed - POSSIBLE BREAK-IN ATTEMPT!",
    ),
    "kernel": (
        "Out of memory: Kill process {n} ({word}) score {n} or sacrifice child",
        "Killed process {n} ({word}) total-vm:{n}kB, anon-rss:{n}kB, file-rss:{n}kB",
        "EXT4-fs (sda{small}): mounted filesystem with ordered data mode. Opts: (null)",
        "EXT4-fs error (device sdb{small}): ext4_find_entry:{n}: inode #{n}: comm {word}: reading directory lblock 0",
        "eth{small}: link up, 1000Mbps, full-duplex, lpa {hex}",
        "eth{small}: link down",
        "TCP: request_sock_TCP: Possible SYN flooding on port {port}. Sending cookies. Check SNMP counters.",
        "CPU{small}: Core temperature above threshold, cpu clock throttled (total events = {n})",
        "usb 1-{small}: new high-speed USB device number {n} using xhci_hcd",
        "blk_update_request: I/O error, dev sd{small}, sector {n}",
        "[{n}.{n}] audit: type=1400 audit({n}.{n}:{n}): apparmor=\"DENIED\" operation=\"open\" pid={n}",
    ),
    "hdfs": (
        "Receiving block {blk} src: /{ip}:{port} dest: /{ip}:50010",
        "Received block {blk} of size {n} from /{ip}",
        "PacketResponder {small} for block {blk} terminating",
        "BLOCK* NameSystem.addStoredBlock: blockMap updated: {ip}:50010 is added to {blk} size {n}",
        "BLOCK* NameSystem.allocateBlock: {path}/part-{n}. {blk}",
        "Verification succeeded for {blk}",
        "Deleting block {blk} file /mnt/hadoop/dfs/data/current/subdir{n}/{blk}",
        "{ip}:50010:Got exception while serving {blk} to /{ip}:",
        "BLOCK* ask {ip}:50010 to replicate {blk} to datanode(s) {ip}:50010",
        "Unexpected error trying to delete block {blk}. BlockInfo not found in volumeMap.",
    ),
    "spark": (
        "Starting task {n}.0 in stage {small}.0 (TID {n}, {host}, partition {n}, PROCESS_LOCAL, {n} bytes)",
        "Finished task {n}.0 in stage {small}.0 (TID {n}) in {ms} ms on {host} ({n}/{n})",
        "Lost task {n}.0 in stage {small}.0 (TID {n}, {host}): java.io.IOException: {err}",
        "Block broadcast_{n} stored as values in memory (estimated size {size}, free {size})",
        "Found block rdd_{n}_{n} locally",
        "Removed broadcast_{n}_piece0 on {host}:{port} in memory (size: {size}, free: {size})",
        "Executor lost: {host} (epoch {small})",
        "Job {n} finished: collect at {cls}.scala:{n}, took {f} s",
        "Submitting {n} missing tasks from ResultStage {n} (MapPartitionsRDD[{n}] at map at {cls}.scala:{n})",
        "Executor is trying to kill task {n}.0 in stage {small}.0 (TID {n})",
    ),
    "zookeeper": (
        "Received connection request /{ip}:{port}",
        "Closed socket connection for client /{ip}:{port} which had sessionid {hex}",
        "Closed socket connection for client /{ip}:{port} (no session established for client)",
        "Expiring session {hex}, timeout of {n}ms exceeded",
        "Established session {hex} with negotiated timeout {n} for client /{ip}:{port}",
        "Notification time out: {n}",
        "Cannot open channel to {small} at election address {host}/{ip}:3888",
        "Snapshotting: {hex} to /var/lib/zookeeper/version-2/snapshot.{sha}",
        "caught end of stream exception",
        "FOLLOWING - LEADER ELECTION TOOK - {ms}",
    ),
    "mysql": (
        "[Note] Aborted connection {n} to db: '{word}' user: '{user}' host: '{ip}' (Got timeout reading communication packets)",
        "[Warning] Access denied for user '{user}'@'{ip}' (using password: YES)",
        "[ERROR] InnoDB: Unable to lock ./ibdata1 error: {n}",
        "[Note] InnoDB: Completed initialization of buffer pool",
        "[Warning] Slow query: Query_time: {f} Lock_time: {f} Rows_sent: {n} Rows_examined: {n}",
        "[ERROR] Slave SQL for channel '{word}': Error 'Duplicate entry '{n}' for key 'PRIMARY'' on query, Error_code: 1062",
        "[Note] Slave I/O thread: Start asynchronous replication to master '{user}@{ip}:3306' in log 'mysql-bin.{n}' at position {n}",
        "[Warning] IP address '{ip}' could not be resolved: Name or service not known",
        "[ERROR] Deadlock found when trying to get lock; try restarting transaction, thread {n}",
        "[Note] Event Scheduler: Loaded {n} events",
    ),
    "kubelet": (
        'Pulling image "registry.local/{word}:{small}.{small}.{small}"',
        "Back-off restarting failed container {word} in pod {pod}_default({uuid})",
        'MountVolume.SetUp succeeded for volume "{word}-data" pod "{pod}" (UID: "{uuid}")',
        "Liveness probe failed: HTTP probe failed with statuscode: {code}",
        "Readiness probe failed: dial tcp {ip}:{port}: connect: connection refused",
        "Node {host} status is now: NodeHasDiskPressure",
        'Killing container with a grace period override containerID="containerd://{sha}{sha}" gracePeriod={small}',
        "eviction manager: attempting to reclaim ephemeral-storage, usage {pct}",
        "Failed to pull image \"registry.local/{word}:latest\": rpc error: code = Unknown desc = {err}",
        "Successfully assigned default/{pod} to {host}",
        "http: TLS handshake error from {ip}:{port}: EOF",
    ),
    "windows": (
        "CBS    Loaded Servicing Stack v6.1.{n}.{n} with Core: C:\\Windows\\winsxs\\amd64_{sha}\\cbscore.dll",
        "CSI    {sha}@{date}:{clock}.{n} WcpInitialize (wcp.dll version 0.0.0.6) called (stack @{hex})",
        "The {word} service entered the running state.",
        "The {word} service entered the stopped state.",
        "The {word} service terminated unexpectedly. It has done this {small} time(s).",
        "An account failed to log on. Subject: Security ID: S-1-0-0 Account Name: {user} Failure Reason: %%{n}",
        "Faulting application name: {word}.exe, version: {small}.{small}.{n}.0, time stamp: {hex}, exception code: 0xc0000005",
        "The system uptime is {n} seconds.",
        "Disk {small} has been surprise removed.",
        "Installation Successful: Windows successfully installed the following update: KB{n}",
        "Windows Update failed with error {hex}.",
    ),
    "router": (
        "%%10IFNET/3/LINK_UPDOWN(l): {if} link status is DOWN.",
        "%%10IFNET/5/LINEPROTO_UPDOWN(l): Line protocol on the interface {if} is UP.",
        "%LINK-3-UPDOWN: Interface {if}, changed state to up",
        "%LINK-3-UPDOWN: Interface {if}, changed state to administratively down",
        "%BGP-5-ADJCHANGE: neighbor {ip} Down Hold Timer Expired",
        "%OSPF-5-ADJCHG: Process {small}, Nbr {ip} on {if} from LOADING to FULL, Loading Done",
        "%SYS-5-CONFIG_I: Configured from console by {user} on vty{small} ({ip})",
        "%SEC-6-IPACCESSLOGP: list {n} denied tcp {ip}({port}) -> {ip}({port}), {small} packets",
        "DHCPACK on {ip} to {mac} via {if}",
        "%ARP-4-DUPADDR: Duplicate address {ip} on {if}, sourced by {mac}",
        "%ENVMON-4-FAN: Fan tray {small} speed abnormal on {dev}",
    ),
    "java": (
        "[http-nio-8080-exec-{small}] INFO  com.shop.{cls} - Order {order} created by user {n} in {ms} ms",
        "[http-nio-8080-exec-{small}] WARN  com.shop.{cls} - Retry {small}/3 for order {order}, cause: {err}",
        "[scheduling-{small}] ERROR com.shop.{cls} - Job {word} failed after {ms} ms",
        "HikariPool-1 - Connection is not available, request timed out after {n}ms.",
        "java.lang.NullPointerException: Cannot invoke \"{cls}.getId()\" because \"{word}\" is null",
        "java.lang.OutOfMemoryError: Java heap space",
        "Started Application in {f} seconds (JVM running for {f})",
        "[GC (Allocation Failure) {n}K->{n}K({n}K), {f} secs]",
        "traceId={sha} spanId={sha} Redis command timed out: command={verb} key={word}:{n}",
        "Kafka consumer group={word} lag={n} topic={word}-events partition={small}",
        "Circuit breaker '{word}' changed state from CLOSED to OPEN",
    ),
    "chinese": (
        "用户{who}登录成功，IP地址{ip}，终端{dev}",
        "用户{who}登录失败，密码错误次数{small}",
        "订单{order}支付成功，金额{money}元，耗时{ms}毫秒",
        "订单{order}支付失败，原因：余额不足",
        "订单{order}支付失败，原因：银行系统超时",
        "{branch}核心交易系统响应时间{ms}ms，超过阈值{n}ms",
        "设备{dev}离线，最后心跳时间{date} {clock}",
        "设备{dev}温度过高，当前{f}℃",
        "数据库连接池耗尽，当前连接数{n}，最大连接数{n}",
        "定时任务[{word}]执行完成，处理记录{n}条，失败{small}条",
        "接口{path}调用异常，错误码E{n}",
        "备份文件{file}写入失败：磁盘空间不足",
        "客户经理{who}为客户{who}办理转账，流水号{n}",
        "【告警】服务器{ip}内存使用率{pct}",
    ),
    "android": (
        "acquire lock={hex}, flags=0x1, tag=\"*job*/{app}\", name={app}, ws=WorkSource{{{n}}}, uid={n}, pid={n}",
        "release lock={hex}, flg=0x0, total_time={n}ms",
        "ANR in {app} ({app}/.MainActivity) PID: {n} Reason: Input dispatching timed out",
        "Process {app} (pid {n}) has died: fore TOP",
        "Start proc {n}:{app}/u0a{n} for activity {app}/.MainActivity",
        "Skipped {n} frames!  The application may be doing too much work on its main thread.",
        "setSystemUiVisibility vis={hex} mask={hex} oldVal={hex} newVal={hex}",
        "onReceive: battery level={n} scale=100 status={small}",
        "Displayed {app}/.MainActivity: +{ms}ms",
        "computeScreenPoweron: brightness={n} reason={small}",
    ),
    "haproxy": (
        "{ip}:{port} [{date} {clock}] http-in~ {word}/{host} {small}/0/{small}/{ms}/{ms} {code} {n} - - ---- {n}/{n}/{n}/0/0 0/0 \"{verb} {path} HTTP/1.1\"",
        "Server {word}/{host} is DOWN, reason: Layer4 timeout, check duration: {ms}ms. {small} active and 0 backup servers left.",
        "Server {word}/{host} is UP, reason: Layer7 check passed, code: 200, check duration: {ms}ms.",
        "Proxy {word} started.",
        "backend {word} has no server available!",
        "Connect from {ip}:{port} to {ip}:443 (http-in/TCP)",
        "Stopping frontend {word} in 0 ms.",
    ),
}  # fmt: skip

HELD_OUT: dict[str, tuple[str, ...]] = {
    "apache": (
        "[notice] workerEnv.init() ok {path}/workers2.properties",
        "[error] mod_jk child workerEnv in error state {small}",
        "[notice] jk2_init() Found child {n} in scoreboard slot {small}",
        "[error] [client {ip}] Directory index forbidden by rule: {path}/",
        "[error] [client {ip}] File does not exist: {path}",
        "[warn] child process {n} still did not exit, sending a SIGTERM",
        "[notice] caught SIGTERM, shutting down",
    ),
    "postgres": (
        "LOG:  checkpoint complete: wrote {n} buffers ({f}%); {small} transaction log file(s) added, write={f} s, sync={f} s",
        "FATAL:  password authentication failed for user \"{user}\"",
        "ERROR:  duplicate key value violates unique constraint \"{word}_pkey\"",
        "DETAIL:  Key (id)=({n}) already exists.",
        "LOG:  could not receive data from client: {err}",
        "LOG:  autovacuum: found orphan temp table \"{word}\".\"{word}\" in database \"{word}\"",
        "ERROR:  canceling statement due to statement timeout",
        "LOG:  duration: {f} ms  statement: SELECT * FROM {word} WHERE id = {n}",
        "FATAL:  remaining connection slots are reserved for non-replication superuser connections",
    ),
    "openstack": (
        "[req-{uuid} {sha} {sha} - - -] {ip} \"{verb} /v2/{sha}/servers/detail HTTP/1.1\" status: {code} len: {n} time: {f}",
        "[instance: {uuid}] VM Started (Lifecycle Event)",
        "[instance: {uuid}] VM Paused (Lifecycle Event)",
        "[instance: {uuid}] Creating image",
        "[instance: {uuid}] Took {f} seconds to spawn the instance on the hypervisor.",
        "[instance: {uuid}] Total memory: {n} MB, used: {f} MB",
        "Unknown base file: /var/lib/nova/instances/_base/{sha}",
        "Auditing locally available compute resources for node {host}",
        "Final resource view: name={host} phys_ram={n}MB used_ram={n}MB phys_disk={n}GB used_disk={n}GB total_vcpus={small}",
    ),
    "core-banking": (
        "{clock} 渠道[{word}]交易码{n}受理，流水{n}，机构{branch}",
        "{clock} 交易{n}冲正成功，原流水{n}",
        "{clock} 账户余额不足，拒绝交易，流水{n}",
        "日终批量步骤{small}开始，批次日期{date}",
        "日终批量步骤{small}完成，用时{n}秒",
        "与人行前置机通讯中断，重连次数{small}",
        "柜员{who}签到，终端号{dev}",
        "柜员{who}签退，终端号{dev}",
        "文件{file}校验和不一致，已重新下载",
        "缓存节点{ip}主从切换完成，新主节点{ip}",
    ),
    "scada": (
        "PLC {dev} heartbeat lost for {n} s",
        "Tag {word}.level out of range: value {f} limit {f}",
        "Valve V{n} commanded to open by operator {user}",
        "Valve V{n} commanded to close by operator {user}",
        "Historian flush took {ms} ms, {n} points",
        "Alarm {n} acknowledged by {user} at {clock}",
        "Modbus exception {small} from unit {n} register {n}",
        "Redundancy switchover from {host} to {host} completed in {ms} ms",
    ),
}  # fmt: skip

_SLOT = re.compile(r"\{(\w+)\}")


def lines(system: str, *, num_lines: int, seed: int) -> Iterator[tuple[str, str]]:
    """(line, template id) of one system. A template's frequency falls with its place (1 / place)."""
    templates = SYSTEMS.get(system) or HELD_OUT[system]
    rng = random.Random(f"{seed}:{system}")  # noqa: S311 (made-up logs, not a secret)
    order = list(range(len(templates)))
    rng.shuffle(order)
    weights = [1 / (1 + order.index(index)) for index in range(len(templates))]
    for index in rng.choices(range(len(templates)), weights=weights, k=num_lines):
        text = templates[index].replace("{{", "\0").replace("}}}", "}\1").replace("}}", "\1")
        filled = _SLOT.sub(lambda match: SLOTS[match[1]](rng), text)
        yield filled.replace("\0", "{").replace("\1", "}"), f"{system}-{index}"
