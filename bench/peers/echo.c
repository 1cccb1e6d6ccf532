// An echo server: the plain loop over level-triggered epoll, in one thread.
//
// It prints its address. Then it answers each line of its standard input with a
// line, and ends with the input.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

// A conn holds what could not be written at once. Until it is, nothing is read.
struct conn {
	int fd;
	char *rest;
	size_t from, to;
};

static int ep;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int op, int fd, unsigned events, void *ptr)
{
	struct epoll_event ev = {.events = events, .data.ptr = ptr};
	if (epoll_ctl(ep, op, fd, &ev) < 0)
		die("epoll_ctl");
}

static void drop(struct conn *c)
{
	close(c->fd);
	free(c->rest);
	free(c);
}

static void echo(struct conn *c)
{
	static char buf[64 << 10];
	ssize_t n = read(c->fd, buf, sizeof buf);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	ssize_t w = write(c->fd, buf, n);
	if (w < 0 && errno != EAGAIN) {
		drop(c);
	} else if (w < n) {
		c->from = w < 0 ? 0 : w;
		c->to = n;
		if (!(c->rest = malloc(n)))
			die("malloc");
		memcpy(c->rest, buf, n);
		watch(EPOLL_CTL_MOD, c->fd, EPOLLOUT, c);
	}
}

static void flush(struct conn *c)
{
	ssize_t w = write(c->fd, c->rest + c->from, c->to - c->from);
	if (w < 0 && errno != EAGAIN) {
		drop(c);
		return;
	}
	if (w > 0 && (c->from += w) == c->to) {
		free(c->rest);
		c->rest = NULL;
		watch(EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
	}
}

static void greet(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
	if (fd < 0) {
		if (errno == EAGAIN || errno == ECONNABORTED)
			return;
		die("accept4");
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	struct conn *c = calloc(1, sizeof *c);
	if (!c)
		die("calloc");
	c->fd = fd;
	watch(EPOLL_CTL_ADD, fd, EPOLLIN, c);
}

static void command(void)
{
	char line[4096];
	if (read(0, line, sizeof line) <= 0)
		exit(0);
	puts("ok");
	fflush(stdout);
}

int main(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		die("getrlimit");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		die("setrlimit");

	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof addr;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, len) < 0 || listen(listener, 4096) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) < 0)
		die("listen");
	if ((ep = epoll_create1(EPOLL_CLOEXEC)) < 0)
		die("epoll_create1");
	struct conn commands = {.fd = 0}, door = {.fd = listener};
	watch(EPOLL_CTL_ADD, 0, EPOLLIN, &commands);
	watch(EPOLL_CTL_ADD, listener, EPOLLIN, &door);
	printf("127.0.0.1:%d\n", ntohs(addr.sin_port));
	fflush(stdout);

	for (;;) {
		struct epoll_event evs[256];
		int n = epoll_wait(ep, evs, 256, -1);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct conn *c = evs[i].data.ptr;
			if (c == &commands)
				command();
			else if (c == &door)
				greet(listener);
			else if (c->rest)
				flush(c);
			else
				echo(c);
		}
	}
}
