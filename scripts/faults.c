// Makes one write to a folder fail. scripts/faults.py loads this into the process that it tests.
//
// The kernel (seccomp) turns every system call that may write into a signal. The handler counts
// those below the folder, lets them pass, or fails them. This also sees calls that bypass libc.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#if !defined(__x86_64__)
#error "written for x86-64"
#endif

enum { KILL = -1 };  // as a fault; the others are error numbers

static char folder[PATH_MAX];
static long fails_at, count;
static int fault, list;  // `list`: a file descriptor for one line per write

// The only system calls that the filter lets pass: it knows the address behind the instruction.
long pass(long number, long a, long b, long c, long d, long e);
extern char pass_end[];
__asm__(".text\n.globl pass\npass:\n"
        "mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\n"
        "mov %r8, %r10\nmov %r9, %r8\nsyscall\n"
        ".globl pass_end\npass_end:\nret\n");

static const int WRITES[] = {
    SYS_open, SYS_openat, SYS_creat, SYS_write, SYS_pwrite64, SYS_writev, SYS_ftruncate,
    SYS_truncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_rename, SYS_renameat,
    SYS_renameat2, SYS_mkdir, SYS_mkdirat, SYS_unlink, SYS_unlinkat, SYS_rmdir, SYS_link,
    SYS_linkat, SYS_symlink, SYS_symlinkat};
enum { NUM_WRITES = sizeof WRITES / sizeof *WRITES };

static int path_of_descriptor(char *path, long descriptor) {
    char link[64];
    if (descriptor == AT_FDCWD)
        strcpy(link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%ld", descriptor);
    long length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

static int full_path(char *path, long directory, const char *name) {
    if (name[0] == '/')
        return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
    if (!path_of_descriptor(path, directory))
        return 0;
    size_t length = strlen(path);
    return snprintf(path + length, PATH_MAX - length, "/%s", name) < (int)(PATH_MAX - length);
}

// Finds the path that a call writes to; returns 0 if it writes nothing.
static int written_path(char *path, long number, const long *args) {
    const int writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
    switch (number) {
    case SYS_open:
        return args[1] & writing && full_path(path, AT_FDCWD, (char *)args[0]);
    case SYS_openat:
        return args[2] & writing && full_path(path, (int)args[0], (char *)args[1]);
    case SYS_mkdirat:
    case SYS_unlinkat:
    case SYS_renameat:
    case SYS_renameat2:
        return full_path(path, (int)args[0], (char *)args[1]);
    case SYS_linkat:
        return full_path(path, (int)args[2], (char *)args[3]);
    case SYS_symlinkat:
        return full_path(path, (int)args[1], (char *)args[2]);
    case SYS_link:
    case SYS_symlink:
        return full_path(path, AT_FDCWD, (char *)args[1]);
    case SYS_creat:
    case SYS_truncate:
    case SYS_rename:
    case SYS_mkdir:
    case SYS_unlink:
    case SYS_rmdir:
        return full_path(path, AT_FDCWD, (char *)args[0]);
    default:
        return path_of_descriptor(path, (int)args[0]);
    }
}

static int needs_space(long number) {
    return number != SYS_unlink && number != SYS_unlinkat && number != SYS_rmdir &&
           number != SYS_rename && number != SYS_renameat && number != SYS_renameat2;
}

static void on_write(int signum, siginfo_t *info, void *context) {
    (void)signum;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    long number = info->si_syscall, saved = errno;
    long args[] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX], registers[REG_R10],
                   registers[REG_R8]};
    char path[PATH_MAX], line[PATH_MAX + 64];
    size_t length = strlen(folder);
    int fails = 0;
    if (written_path(path, number, args) && !strncmp(path, folder, length) && path[length] == '/') {
        long now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
        int size = snprintf(line, sizeof line, "%ld %ld %s\n", now, number, path + length);
        if (list >= 0)
            pass(SYS_write, list, (long)line, size, 0, 0);
        fails = fails_at && now == fails_at;
        if (fails_at && now > fails_at)  // a full disk stays full, a read-only one read-only
            fails = fault == EROFS || (fault == ENOSPC && needs_space(number));
    }
    if (fails && fault == KILL) {
        if (number == SYS_write && args[2] > 1)
            pass(SYS_write, args[0], args[1], args[2] / 2, 0, 0);
        pass(SYS_kill, getpid(), SIGKILL, 0, 0, 0);
    }
    errno = saved;
    registers[REG_RAX] = fails ? -fault : pass(number, args[0], args[1], args[2], args[3], args[4]);
}

// Begins to count; from then on the `at`-th write below `below` fails (none if it is 0).
int arm(const char *below, long at, int with, int descriptor) {
    struct sock_filter program[2 * NUM_WRITES + 8], *next = program;
    uint64_t passing = (uint64_t)(uintptr_t)pass_end;
    snprintf(folder, sizeof folder, "%s", below);
    fails_at = at, fault = with, list = descriptor, count = 0;
    struct sigaction action = {.sa_sigaction = on_write, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (sigaction(SIGSYS, &action, NULL))
        return -1;
#define LOAD(field) \
    (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define EQUAL(value, yes, no) \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)
#define RETURN(action) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, action)
    *next++ = LOAD(instruction_pointer);
    *next++ = EQUAL(passing, 0, 3);
    *next++ = (struct sock_filter)BPF_STMT(
        BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4);
    *next++ = EQUAL(passing >> 32, 0, 1);
    *next++ = RETURN(SECCOMP_RET_ALLOW);
    *next++ = LOAD(nr);
    for (int i = 0; i < NUM_WRITES; i++) {
        *next++ = EQUAL(WRITES[i], 0, 1);
        *next++ = RETURN(SECCOMP_RET_TRAP);
    }
    *next++ = RETURN(SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {.len = (unsigned short)(next - program), .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
}
