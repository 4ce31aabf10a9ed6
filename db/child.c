#include "db/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_MS 3

/* Runs in the forked child: only async-signal-safe calls, for other threads may have held locks. */
_Noreturn static void execute(const struct child_program *program, pid_t parent)
{
    /* In a session of its own: Ctrl-C reaches the service alone, which then ends the child in order. */
    setsid();
    umask(077);
    /* What the service ignores or waits for, the program must hear. */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);

    int input_fd = open("/dev/null", O_RDONLY);
    bool ready = input_fd >= 0 && dup2(input_fd, STDIN_FILENO) >= 0 &&
                 dup2(program->output_fd, STDOUT_FILENO) >= 0 &&
                 dup2(program->output_fd, STDERR_FILENO) >= 0 && chdir(program->folder) == 0 &&
                 prctl(PR_SET_PDEATHSIG, program->death_signal, 0, 0, 0) == 0;
    /* The signal comes only for a death after prctl. */
    if (ready && getppid() != parent)
        _exit(1);
    /* What the service has open or has inherited must not live on in the program. */
    close_range(3, ~0U, 0);
    if (ready)
        execve(program->arguments[0], (char *const *)program->arguments, (char *const *)program->environment);
    const char *why = strerrordesc_np(errno);
    const struct iovec line[] = {{(char *)why, strlen(why)}, {(char[]){'\n'}, 1}};
    ssize_t written = writev(STDERR_FILENO, line, 2);
    (void)written; /* the exit status must do then */
    _exit(127);
}

bool child_start(struct child *child, const struct child_program *program)
{
    if (access(program->arguments[0], X_OK) != 0)
        return false;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        execute(program, parent);
    if (pid > 0)
        *child = (struct child){.pid = pid};
    return pid > 0;
}

bool child_reap(struct child *child)
{
    if (child->pid == 0)
        return true;
    pid_t pid = waitpid(child->pid, &child->status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return false;
    if (pid < 0) {
        child->status = -1;
        snprintf(child->end, sizeof(child->end), "exit status unknown: %m");
    } else if (WIFSIGNALED(child->status)) {
        snprintf(child->end, sizeof(child->end), "killed by signal %d: %s", WTERMSIG(child->status),
                 sigdescr_np(WTERMSIG(child->status)));
    } else {
        snprintf(child->end, sizeof(child->end), "exit status %d", WEXITSTATUS(child->status));
    }
    child->pid = 0;
    return true;
}

bool child_wait(struct child *child, int limit_ms)
{
    for (int waited = 0; !child_reap(child); waited += POLL_MS) {
        if (waited >= limit_ms)
            return false;
        usleep(POLL_MS * 1000);
    }
    return true;
}

bool child_pause(int pause_ms)
{
    sigset_t pending;
    usleep((useconds_t)pause_ms * 1000);
    sigpending(&pending);
    return !sigismember(&pending, SIGTERM) && !sigismember(&pending, SIGINT);
}
