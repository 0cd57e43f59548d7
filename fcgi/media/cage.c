#include "media/cage.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NOBODY = 65534 };

const struct cage_limits cage_of_photos = {.cpu_seconds = 15, .seconds = 50};
const struct cage_limits cage_of_sounds = {.cpu_seconds = 10 * 60, .seconds = 19 * 60};

#if defined(__SANITIZE_ADDRESS__)
static const bool is_sanitized = true;
#else
static const bool is_sanitized = false;
#endif

/* -- first step -- */

/* An empty network costs a privilege, which a process has as root, or after it has become the
 * root of a user namespace where the system lets everybody make one. */
static void leave_network(void)
{
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return; /* the filter of calls knows no sockets either */
}

/* Fails where somebody else has taken the privilege away already, which is as good. */
static void become_nobody(void)
{
    if (geteuid() == 0 && setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0)
        (void)!setresuid(NOBODY, NOBODY, NOBODY);
}

static void limit(__rlimit_resource_t what, rlim_t most)
{
    setrlimit(what, &(struct rlimit){most, most});
}

void cage_enter(void)
{
    limit(RLIMIT_CORE, 0); /* a core would be a file with a stranger's photo in it */
    leave_network();
    become_nobody();
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* -- the filter of calls -- */

/*
 * What is not listed here answers ENOSYS, as on a kernel that is too old for it: a newer C library
 * then falls back to an older call instead of failing, so the list does not have to follow it.
 * What only an intruder would ask for ends the process, so that he gets no second try.
 *
 * No limit of processes beside it: RLIMIT_NPROC counts all of a user, and the filter lets only
 * threads be made, whose number is held by the memory.
 */
static const char *const allowed[] = {
    /* the connection */
    "read", "write", "readv", "writev", "close", "lseek", "fstat", "shutdown",
    /* memory; mmap and mprotect stand below */
    "brk", "munmap", "mremap", "madvise",
    /* threads and their locks */
    "futex", "futex_waitv", "futex_time64", "set_robust_list", "rseq", "set_tid_address", "gettid",
    "getpid", "membarrier", "sched_yield", "sched_getaffinity", "getcpu",
    /* time and chance */
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_nanosleep", "nanosleep",
    "gettimeofday", "time", "getrandom",
    /* looking at oneself */
    "getrusage", "getrlimit", "ugetrlimit", "sysinfo", "uname",
    /* signals, and the end */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack", "restart_syscall",
    "exit", "exit_group"};

static const char *const deadly[] = {"socket",
                                     "socketpair",
                                     "connect",
                                     "bind",
                                     "listen",
                                     "accept",
                                     "accept4",
                                     "sendto",
                                     "sendmsg",
                                     "sendmmsg",
                                     "execve",
                                     "execveat",
                                     "fork",
                                     "vfork",
                                     "ptrace",
                                     "kill",
                                     "tkill",
                                     "process_vm_readv",
                                     "process_vm_writev",
                                     "unshare",
                                     "setns",
                                     "mount",
                                     "bpf",
                                     "perf_event_open",
                                     "io_uring_setup",
                                     "userfaultfd",
                                     "keyctl",
                                     "init_module",
                                     "finit_module",
                                     "kexec_load"};

/* Libraries look for files that make them better; told no, they go on without. */
static const char *const denied[] = {"open",       "openat",   "access",    "faccessat",
                                     "faccessat2", "stat",     "lstat",     "statx",
                                     "newfstatat", "readlink", "readlinkat"};

/* Calls that this processor does not have under that name are skipped. */
static int add_calls(scmp_filter_ctx filter, uint32_t action, const char *const *names,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int call = seccomp_syscall_resolve_name(names[i]);
        int error = call < 0 ? 0 : seccomp_rule_add(filter, action, call, 0);
        if (error)
            return error;
    }
    return 0;
}

struct condition {
    int call;
    struct scmp_arg_cmp argument;
};

/* What depends on an argument: a thread and no process, memory that does not run, a signal to
 * nobody but oneself (abort), the name of a thread, a limit read and not set. */
static int add_conditions(scmp_filter_ctx filter)
{
    const struct condition rows[] = {
        {SCMP_SYS(clone),             SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD,                            CLONE_THREAD)},
        {SCMP_SYS(mmap),                           SCMP_A2(SCMP_CMP_MASKED_EQ,                                        PROT_EXEC,                           0)},
        {SCMP_SYS(mmap2),                         SCMP_A2(SCMP_CMP_MASKED_EQ,                                                   PROT_EXEC,                                                  0)},
        {SCMP_SYS(mprotect),                  SCMP_A2(SCMP_CMP_MASKED_EQ,PROT_EXEC,0)},
        {SCMP_SYS(tgkill),SCMP_A0(SCMP_CMP_EQ,          (scmp_datum_t)getpid())                                                                 },
        {SCMP_SYS(prctl),            SCMP_A0(SCMP_CMP_EQ,                                    PR_SET_NAME)                                          },
        {SCMP_SYS(prlimit64),             SCMP_A2(SCMP_CMP_EQ,         0)},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int error = rows[i].call < 0 ? 0
                                     : seccomp_rule_add(filter, SCMP_ACT_ALLOW, rows[i].call, 1,
                                                        rows[i].argument);
        if (error)
            return error;
    }
    return 0;
}

/* TSYNC: the libraries' threads are there already. */
static int load_filter(scmp_filter_ctx filter)
{
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!error)
        error = add_calls(filter, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed));
    if (!error)
        error = add_calls(filter, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_LEN(deadly));
    if (!error)
        error = add_calls(filter, SCMP_ACT_ERRNO(EACCES), denied, ARRAY_LEN(denied));
    if (!error)
        error = add_conditions(filter);
    return error ? error : seccomp_load(filter);
}

static err *filter_calls(struct arena *a)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!filter)
        return fail(a, ERR_INTERNAL, "cage: no filter of calls");
    int error = load_filter(filter);
    seccomp_release(filter);
    return error ? fail(a, ERR_INTERNAL, "cage: filter of calls: %s", strerror(-error)) : NULL;
}

/* -- second step -- */

/* stdout and stderr stay as descriptors, so that nothing that a library prints can end up in the
 * answer, and lead nowhere, so that nothing that a stranger wrote gets into a log. */
static bool keep_only(int connection, int file)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool is_kept = nowhere >= 0;
    if (file >= 0 && file != CAGE_FILE) /* first: its place may be where another one stands */
        is_kept = is_kept && (nowhere != CAGE_FILE || (nowhere = dup(nowhere)) >= 0) &&
                  (connection != CAGE_FILE || (connection = dup(connection)) >= 0) &&
                  dup2(file, CAGE_FILE) == CAGE_FILE;
    is_kept = is_kept && dup2(connection, STDIN_FILENO) == STDIN_FILENO &&
              dup2(nowhere, STDOUT_FILENO) == STDOUT_FILENO &&
              (is_sanitized || dup2(nowhere, STDERR_FILENO) == STDERR_FILENO);
    return close_range(file >= 0 ? CAGE_FILE + 1 : CAGE_FILE, ~0u, 0) == 0 && is_kept;
}

err *cage_close(struct arena *a, int connection, int file, const struct cage_limits *limits)
{
    if (!keep_only(connection, file))
        return fail(a, ERR_INTERNAL, "cage: descriptors: %s", strerror(errno));
    limit(RLIMIT_NOFILE, file >= 0 ? CAGE_FILE + 1 : CAGE_FILE);
    limit(RLIMIT_CPU, limits->cpu_seconds);
    if (!is_sanitized) {
        limit(RLIMIT_FSIZE, 0);
        limit(RLIMIT_DATA, CAGE_MEMORY_BYTES);
    }
    signal(SIGPIPE, SIG_IGN); /* who called is gone: the write fails, and we end */
    alarm(limits->seconds);
    return filter_calls(a);
}
