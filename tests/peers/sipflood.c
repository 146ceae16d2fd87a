/* Sends more SIP requests than a switch will take and counts what comes back.
 *
 *   sipflood calls IP PORT RATE SECONDS NUMBER  an INVITE each; what is answered is acknowledged, and hung up when it is a 200
 *   sipflood registers IP PORT RATE SECONDS     a REGISTER each, from 64 addresses of loopback in turns
 *
 * Like any phone it sends an INVITE again after 0.5 and 1.5 s when nothing came (RFC 3261 17.1.1.2), and listens 2 s longer
 * than it sends. The moments of answers are the kernel's (SO_TIMESTAMPNS), so its own delay is not in them. Prints `sent`
 * when it is through with sending, and at the end one line:
 *   sent=.. again=.. told=.. other=.. untold=.. p50_us=.. p95_us=.. p99_us=.. good=A,B,..
 * told: INVITEs that were answered 503 with Retry-After, REGISTERs that were answered at all; untold: without a final
 * answer; good: INVITEs answered 200 in each second; p50_us and so on: how long these took, from the first sending on.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORTS = 64, MOST = 4000000, LONGEST = 600, BUCKETS = 200000 /* of 10 us; the last holds all above */ };
enum state { ASKED, TRYING, OVER };

static struct sockaddr_in to;
static int fds[PORTS], own[PORTS], ports = 1, registers, run;
static uint8_t states[MOST];
static int64_t first_ns[MOST];
static unsigned long sent, again, told, other, good[LONGEST], waits[BUCKETS + 1], waited;
static const char *number = "nobody";
static const char SDP[] = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n";

static int64_t now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void send_request(const char *method, const char *branch, unsigned long n, int cseq, const char *to_tag, const char *body) {
    char text[2048];
    int port = own[n % (unsigned long)ports];
    int length = snprintf(text, sizeof text,
        "%s sip:%s@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%s%lu;rport\r\nMax-Forwards: 70\r\n"
        "From: <sip:%s@127.0.0.1>;tag=t%d-%lu\r\nTo: <sip:%s@127.0.0.1>%s\r\nCall-ID: f%lu-%d\r\nCSeq: %d %s\r\n"
        "Contact: <sip:139@127.0.0.1:%d>\r\n%sContent-Length: %zu\r\n\r\n%s",
        method, number, port, branch, n, registers ? number : "139", run, n, number, to_tag, n, run, cseq, method, port, *body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    sendto(fds[n % (unsigned long)ports], text, (size_t)length, 0, (struct sockaddr *)&to, sizeof to);
}

static void ask(unsigned long n) { send_request(registers ? "REGISTER" : "INVITE", "i", n, 1, "", registers ? "" : SDP); }

/* One datagram; 0 when there is none. `began` is of the wall clock, which the kernel's stamps are of. */
static int receive(int fd, int64_t began, long seconds) {
    char text[8192], control[128], tag[128] = "";
    struct iovec part = {text, sizeof text - 1};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(fd, &m, MSG_DONTWAIT);
    if (length < 0) return 0;
    text[length] = 0;
    int status = strncmp(text, "SIP/2.0 ", 8) ? 0 : atoi(text + 8), invite = strstr(text, " INVITE\r\n") != NULL;
    const char *call = strstr(text, "Call-ID: f"), *to_line = strstr(text, "\r\nTo:");
    if (!status || !call || !to_line) return 1;
    unsigned long n = strtoul(call + 10, NULL, 10);
    if (n >= sent) return 1;
    if (registers) {
        told += states[n] != OVER;
        states[n] = OVER;
        return 1;
    }
    if (!invite) return 1;
    if (status < 200) {
        if (states[n] == ASKED) states[n] = TRYING;
        return 1;
    }
    const char *end = strstr(to_line + 2, "\r\n"), *found = strstr(to_line, ";tag=");
    if (end && found && found < end) snprintf(tag, sizeof tag, "%.*s", (int)(end - found), found);
    send_request("ACK", status < 300 ? "a" : "i", n, 1, tag, "");
    if (status == 200) send_request("BYE", "b", n, 2, tag, "");
    if (states[n] == OVER) return 1;
    states[n] = OVER;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (status == 200 && c && c->cmsg_type == SCM_TIMESTAMPNS) {
        struct timespec stamp;
        memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        int64_t at = (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec, bucket = (at - first_ns[n]) / 10000;
        waits[bucket < 0 ? 0 : bucket > BUCKETS ? BUCKETS : bucket]++, waited++;
        long second = (long)((at - began) / 1000000000);
        good[second < 0 ? 0 : second >= seconds ? seconds : second]++;
    } else if (status == 503 && strstr(text, "\r\nRetry-After:")) told++;
    else other++;
    return 1;
}

static unsigned percentile_us(double share) {
    unsigned long want = (unsigned long)((double)waited * share), seen = 0;
    for (unsigned bucket = 0; bucket <= BUCKETS; bucket++)
        if ((seen += waits[bucket]) > want) return bucket * 10;
    return 0;
}

int main(int argc, char **argv) {
    registers = argc > 1 && !strcmp(argv[1], "registers");
    if (argc != (registers ? 6 : 7)) { fprintf(stderr, "usage: sipflood calls IP PORT RATE SECONDS NUMBER\n       sipflood registers IP PORT RATE SECONDS\n"); return 2; }
    if (!registers) number = argv[6];
    run = getpid(); /* Two runs at once are no copies of each other (RFC 3261 8.2.2.2). */
    ports = registers ? PORTS : 1;
    to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3]))};
    double rate = atof(argv[4]);
    long seconds = atol(argv[5]);
    if (inet_pton(AF_INET, argv[2], &to.sin_addr) != 1 || seconds < 1 || seconds >= LONGEST || rate * (double)seconds >= MOST) {
        fprintf(stderr, "sipflood: up to %d requests in up to %d seconds\n", MOST, LONGEST - 1);
        return 2;
    }
    struct pollfd waiting[PORTS];
    for (int i = 0; i < ports; i++) {
        struct sockaddr_in me = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(registers ? 256 + i : 0))};
        socklen_t size = sizeof me;
        int on = 1, room = 8 << 20;
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        if (fds[i] < 0 || setsockopt(fds[i], SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) || bind(fds[i], (struct sockaddr *)&me, sizeof me)
            || getsockname(fds[i], (struct sockaddr *)&me, &size)) { perror("sipflood"); return 2; }
        own[i] = ntohs(me.sin_port);
        waiting[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    unsigned long total = (unsigned long)(rate * (double)seconds), repeated[2] = {0, 0};
    const int64_t after[2] = {500000000, 1500000000};
    int64_t wall = now_ns(CLOCK_REALTIME), began = now_ns(CLOCK_MONOTONIC), passed;
    int through = 0;
    while ((passed = now_ns(CLOCK_MONOTONIC) - began) < (seconds + 2) * (int64_t)1000000000) {
        /* Some at a time, so that what comes back meanwhile finds room. */
        for (int lot = 0; lot < 64 && sent < total && (double)sent < (double)passed * 1e-9 * rate; lot++) first_ns[sent] = now_ns(CLOCK_REALTIME), ask(sent++);
        for (int time = 0; time < 2 && !registers; time++)
            for (; repeated[time] < sent && (double)repeated[time] < (double)(passed - after[time]) * 1e-9 * rate; repeated[time]++)
                if (states[repeated[time]] == ASKED) ask(repeated[time]), again++;
        if (!through && sent == total) through = 1, puts("sent"), fflush(stdout);
        poll(waiting, (nfds_t)ports, 1);
        for (int i = 0; i < ports; i++)
            for (int lot = 0; lot < 256 && waiting[i].revents && receive(fds[i], wall, seconds); lot++) {}
    }
    unsigned long untold = 0;
    for (unsigned long n = 0; n < sent; n++) untold += states[n] != OVER;
    printf("sent=%lu again=%lu told=%lu other=%lu untold=%lu p50_us=%u p95_us=%u p99_us=%u good=", sent, again, told, other, untold, percentile_us(0.5), percentile_us(0.95), percentile_us(0.99));
    for (long second = 0; second <= seconds; second++) printf("%s%lu", second ? "," : "", good[second]);
    puts("");
    return 0;
}
