/* labhost.c - one host of the rehearsal fleet: own mount, PID, UTS, IPC and time namespaces over a shared root.
 *
 *   labhost boot CHANNEL UPTIME   start a host; what to mount and write is read from standard input (below). Prints the host's
 *                                 PID 1 as seen from outside, and leaves it running. CHANNEL is an inherited SOCK_SEQPACKET
 *                                 socket: each message carries one accepted connection, which PID 1 gives to the host's own
 *                                 `sshd -i`; when the other end closes, the host dies. UPTIME: seconds the host claims to have
 *                                 been up when it starts (a time namespace; without kernel support: the real uptime).
 *   labhost graft PID SOURCE TARGET   make the mount at SOURCE appear at TARGET inside a running host
 *   labhost readonly PID              make a running host's root file system read-only (busy: exit 16)
 *
 * Standard input of `boot`: one line per operation, fields separated by tabs, paths relative to the new root.
 *   root   TARGET OPTIONS             the overlay; TARGET is outside and becomes the root. Must come first
 *   mount  TYPE TARGET FLAGS OPTIONS  FLAGS: the decimal MS_* bits
 *   bind   SOURCE TARGET ro|rw        SOURCE absolute: outside the host
 *   dir    MODE PATH
 *   node   MODE MAJOR MINOR PATH      a character device
 *   link   TEXT PATH
 *   file   MODE LENGTH PATH           followed by LENGTH bytes and a newline
 *   name   HOSTNAME
 *   readonly                          the root is made read-only once the host is complete
 * Any failure ends the boot with exit 1 and one line on standard error. Killing PID 1 is a power cut.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif
/* from linux/mount.h, which does not go together with sys/mount.h on older C libraries */
#define TREE_CLONE 1u
#define MOVE_EMPTY_SOURCE 0x4u

#define MAX_FIELDS 6
#define BUSY 16

static const char *host_name = "labhost";

static void die(const char *format, ...)
{
    char text[512];
    va_list arguments;
    int reason = errno;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s: %s%s%s\n", host_name, text, reason ? ": " : "", reason ? strerror(reason) : "");
    _exit(1);
}

static void check(int result, const char *what, const char *path)
{
    if (result < 0)
        die("%s %s", what, path);
}

/* --- the operations ------------------------------------------------------------------------------------------- */

static void write_all(int fd, const char *data, size_t length, const char *path)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);
        if (written < 0)
            die("write %s", path);
        data += written;
        length -= (size_t)written;
    }
}

static void make_file(const char *mode, const char *length_text, const char *path)
{
    size_t length = strtoul(length_text, NULL, 10);
    char *data = malloc(length + 1);
    int fd;

    if (!data || fread(data, 1, length + 1, stdin) != length + 1)
        die("standard input ends inside %s", path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd, "create", path);
    write_all(fd, data, length, path);
    check(fchmod(fd, (mode_t)strtoul(mode, NULL, 8)), "chmod", path);
    close(fd);
    free(data);
}

static void make_dir(const char *mode, const char *path)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        die("mkdir %s", path);
    check(chmod(path, (mode_t)strtoul(mode, NULL, 8)), "chmod", path);
}

static void make_node(const char *mode, const char *major_text, const char *minor_text, const char *path)
{
    mode_t bits = (mode_t)strtoul(mode, NULL, 8);
    dev_t device = makedev((unsigned)strtoul(major_text, NULL, 10), (unsigned)strtoul(minor_text, NULL, 10));

    check(mknod(path, S_IFCHR | bits, device), "mknod", path);
    check(chmod(path, bits), "chmod", path);
}

static void bind_mount(const char *source, const char *target, const char *access)
{
    check(mount(source, target, NULL, MS_BIND | MS_REC, NULL), "bind", target);
    if (!strcmp(access, "ro"))
        check(mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "bind read-only", target);
}

static int make_root_readonly(void)
{
    return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
}

static void mount_root(const char *target, const char *options)
{
    check(mount("overlay", target, "overlay", 0, options), "mount overlay on", target);
    check(chdir(target), "chdir", target);
}

/* `line` is cut into fields in place; returns how many */
static int split(char *line, char **fields)
{
    int count = 0;

    for (char *at = line; at && count < MAX_FIELDS; count++)
        fields[count] = strsep(&at, "\t");
    return count;
}

static void perform(char **field, int count, int *readonly)
{
    const char *operation = field[0];

    errno = 0;
    if (!strcmp(operation, "root") && count == 3)
        mount_root(field[1], field[2]);
    else if (!strcmp(operation, "mount") && count == 5)
        check(mount(field[1], field[2], field[1], strtoul(field[3], NULL, 10), field[4]), "mount", field[2]);
    else if (!strcmp(operation, "bind") && count == 4)
        bind_mount(field[1], field[2], field[3]);
    else if (!strcmp(operation, "dir") && count == 3)
        make_dir(field[1], field[2]);
    else if (!strcmp(operation, "node") && count == 5)
        make_node(field[1], field[2], field[3], field[4]);
    else if (!strcmp(operation, "link") && count == 3)
        check(symlink(field[1], field[2]), "symlink", field[2]);
    else if (!strcmp(operation, "file") && count == 4)
        make_file(field[1], field[2], field[3]);
    else if (!strcmp(operation, "name") && count == 2)
        check(sethostname(field[1], strlen(field[1])), "set host name", field[1]);
    else if (!strcmp(operation, "readonly") && count == 1)
        *readonly = 1;
    else
        die("operation not understood: %s", operation);
}

static void build(void)
{
    char *line = NULL, *field[MAX_FIELDS];
    size_t size = 0;
    int readonly = 0;

    check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make private", "/");
    while (getline(&line, &size, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        perform(field, split(line, field), &readonly);
    }
    free(line);
    check((int)syscall(SYS_pivot_root, ".", "."), "pivot_root", "");
    check(umount2(".", MNT_DETACH), "leave", "the old root");
    check(chdir("/"), "chdir", "/");
    if (readonly)
        check(make_root_readonly(), "make read-only", "/");
}

/* --- PID 1 ---------------------------------------------------------------------------------------------------- */

static void serve_connection(int connection)
{
    static char *const arguments[] = {"/usr/sbin/sshd", "-i", NULL};
    static char *const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    sigset_t none;

    if (fork() != 0)
        return;
    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(connection, 0);
    dup2(connection, 1);
    execve(arguments[0], arguments, environment);
    _exit(127);
}

/* one message: a connection to serve. Returns 0 when the other end is gone */
static int receive(int channel)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;

    if (got <= 0)
        return got < 0 && (errno == EINTR || errno == EAGAIN);
    if (header && header->cmsg_type == SCM_RIGHTS) {
        int connection;
        memcpy(&connection, CMSG_DATA(header), sizeof connection);
        serve_connection(connection);
        close(connection);
    }
    return 1;
}

/* `ps` in the host shows an init, not where the lab keeps its programs */
static void take_name(char **argument)
{
    char *last = argument[0];

    for (int i = 0; argument[i]; i++)
        last = argument[i] + strlen(argument[i]);
    memset(argument[0], 0, (size_t)(last - argument[0]));
    snprintf(argument[0], (size_t)(last - argument[0]), "/sbin/init");
    prctl(PR_SET_NAME, "init");
}

/* What root in a host must not do to the machine it shares a kernel and a network with. */
static void give_up_the_machine(void)
{
    static const int capabilities[] = {
        CAP_SYS_MODULE, CAP_SYS_TIME, CAP_SYS_RAWIO, CAP_SYSLOG, CAP_NET_ADMIN, CAP_MAC_ADMIN, CAP_MAC_OVERRIDE, CAP_WAKE_ALARM,
    };

    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++)
        prctl(PR_CAPBSET_DROP, capabilities[i], 0, 0, 0);
}

static void live(int channel)
{
    struct signalfd_siginfo ignored;
    struct pollfd ready[2] = {{.fd = channel, .events = POLLIN}, {.events = POLLIN}};
    sigset_t children;

    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    ready[1].fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    for (;;) {
        if (poll(ready, 2, -1) < 0 && errno != EINTR)
            _exit(1);
        while (read(ready[1].fd, &ignored, sizeof ignored) > 0)
            continue;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        if (ready[0].revents && !receive(channel))
            _exit(0);
    }
}

/* --- starting ------------------------------------------------------------------------------------------------- */

/* a time namespace in which the host has been up for `uptime` seconds; a kernel without them keeps its own time */
static void claim_uptime(long uptime)
{
    struct timespec boot, monotonic;
    char text[128];
    int fd, length;

    if (unshare(CLONE_NEWTIME) < 0)
        return;
    fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    length = snprintf(text, sizeof text, "monotonic %ld 0\nboottime %ld 0\n", uptime - monotonic.tv_sec, uptime - boot.tv_sec);
    if (write(fd, text, (size_t)length) < 0)
        fprintf(stderr, "time namespace: %s\n", strerror(errno));
    close(fd);
}

static void become_init(int channel, int ready, char **argument)
{
    int null;

    build();
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    check(null, "open", "/dev/null");
    for (int fd = 0; fd < 3; fd++)
        check(dup2(null, fd), "dup2", "/dev/null");
    close(null);
    fcntl(channel, F_SETFD, FD_CLOEXEC);
    if (write(ready, "1", 1) != 1)
        _exit(1);
    close(ready);
    take_name(argument);
    give_up_the_machine();
    live(channel);
}

static int boot(char **argument)
{
    int channel = atoi(argument[2]);
    long uptime = atol(argument[3]);
    int ready[2];
    char byte;
    pid_t init;

    check(pipe2(ready, O_CLOEXEC), "pipe", "");
    claim_uptime(uptime);
    check(unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID), "new namespaces", "");
    init = fork();
    check(init, "fork", "");
    if (init == 0) {
        close(ready[0]);
        become_init(channel, ready[1], argument);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        return 1;
    printf("%d\n", init);
    return 0;
}

/* --- changing a running host ---------------------------------------------------------------------------------- */

static void join(const char *pid)
{
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/proc/%s/ns/mnt", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    check(fd, "open", path);
    check(setns(fd, CLONE_NEWNS), "join", path);
}

static int graft(const char *pid, const char *source, const char *target)
{
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, source, TREE_CLONE | O_CLOEXEC);

    check(tree, "clone mount", source);
    join(pid);
    if (mkdir(target, 0755) < 0 && errno != EEXIST)
        die("mkdir %s", target);
    check((int)syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_EMPTY_SOURCE), "graft", target);
    return 0;
}

static int readonly(const char *pid)
{
    join(pid);
    if (make_root_readonly() == 0)
        return 0;
    if (errno == EBUSY)
        return BUSY;
    die("make read-only");
    return 1;
}

int main(int count, char **argument)
{
    if (count == 4 && !strcmp(argument[1], "boot"))
        return boot(argument);
    if (count == 5 && !strcmp(argument[1], "graft"))
        return graft(argument[2], argument[3], argument[4]);
    if (count == 3 && !strcmp(argument[1], "readonly"))
        return readonly(argument[2]);
    fprintf(stderr, "usage: labhost boot CHANNEL UPTIME | graft PID SOURCE TARGET | readonly PID\n");
    return 2;
}
