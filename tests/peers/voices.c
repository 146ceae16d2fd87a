/* The ears and mouths of the phones that sipp signals for: many RTP parties in one process, told what to do by lines on
 * stdin, each answered by one line `ok ...` or `err ...` on stdout. It knows RTP (RFC 3550), G.711 and RFC 4733, and
 * nothing of SIP: whoever drives it reads the ports out of the SDP.
 *
 *   open ID                      bind an even port of 127.0.0.1 and the one above it for RTCP, send silence from when an
 *                                address is known -> ok PORT
 *   to ID IP PORT                send there (else: to where the first packet came from)
 *   codec ID pcmu|pcma           what to send
 *   tone ID HZ DBFS | quiet ID | stop ID | play ID FILE.wav
 *   key ID DIGIT MS              one RFC 4733 event, payload type 101, end sent three times
 *   clicks ID COUNT              COUNT loud frames, 400 ms apart, in silence; their send times are kept
 *   delay FROM TO                from the last clicks of FROM to when TO heard them -> ok N MEDIAN_US MAX_US
 *   stats ID                     what was received -> ok packets=.. lost=.. ...
 *   now ID                       milliseconds of received audio so far -> ok MS
 *   level ID FROM_MS LEN_MS HZ   level of that tone in what was heard, 0 = full-scale sine -> ok DBFS
 *   pitch ID FROM_MS LEN_MS LO HI STEP   strongest tone of a grid, and the strongest at least 2 steps away -> ok HZ DBFS HZ DBFS
 *   rms ID FROM_MS LEN_MS        -> ok DBFS
 *   match ID FILE.wav FROM_MS TO_MS      best normalised correlation of the file with what was heard there -> ok R AT_MS
 *   save ID FILE.wav             what was heard, by RTP time
 *   close ID | quit
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { VOICES = 2048, FRAME = 160, RATE = 8000, HEARD_MAX = RATE * 180, CLICKS = 64, ARRIVALS = 4096, EVENT_PT = 101, GRID_MAX = 2048 };
enum source { STOPPED, QUIET, TONE, FILE_PLAYING };

struct voice {
    int fd, rtcp_fd, port, used, known;
    struct sockaddr_in to;
    /* sending */
    enum source source;
    uint8_t pt;
    uint32_t ssrc, ts;
    uint16_t seq;
    int started;
    double hz, amplitude, phase;
    int16_t *file;
    size_t file_len, file_at;
    int key, key_left_ms, key_total_ms, key_sent_ms, key_ends, key_first;
    uint32_t key_ts;
    int clicks_left, click_wait, n_clicks;
    int64_t click_sent[CLICKS];
    /* receiving */
    int16_t *heard;
    size_t heard_len;
    uint32_t in_ssrc, in_ts0, in_last_ts;
    uint16_t in_last_seq;
    int in_started;
    unsigned long packets, reports, octets, lost, ssrc_changes, seq_back, ts_back, marks, other_pt, strays, short_packets, outside;
    int64_t in_last_us, max_gap_us;
    int quiet_run, n_loud;
    int64_t loud_at[ARRIVALS];
    char keys[64];
    int n_keys;
    uint32_t last_key_ts;
    int last_key_known;
};

static struct voice voices[VOICES];
static uint8_t ulaw_of[65536 >> 2], alaw_of[65536 >> 2];
static int16_t of_ulaw[256], of_alaw[256];
static int epoll_fd;

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ITU-T G.711, by search: the code whose value is nearest. */
static void make_tables(void) {
    for (int c = 0; c < 256; c++) {
        int u = ~c & 0xff, t = (((u & 15) << 3) + 132) << ((u >> 4) & 7);
        of_ulaw[c] = (int16_t)((u & 0x80) ? 132 - t : t - 132);
        int a = c ^ 0x55, seg = (a >> 4) & 7, v = (a & 15) << 4;
        v = seg ? (v + 0x108) << (seg - 1) : v + 8;
        of_alaw[c] = (int16_t)((a & 0x80) ? v : -v);
    }
    for (int i = 0; i < 16384; i++) {
        int s = (i - 8192) * 4, bu = 0, ba = 0;
        for (int c = 0; c < 256; c++) {
            if (abs(of_ulaw[c] - s) < abs(of_ulaw[bu] - s)) bu = c;
            if (abs(of_alaw[c] - s) < abs(of_alaw[ba] - s)) ba = c;
        }
        ulaw_of[i] = (uint8_t)bu;
        alaw_of[i] = (uint8_t)ba;
    }
}

static void reply(const char *form, ...) {
    va_list a;
    va_start(a, form);
    vprintf(form, a);
    va_end(a);
    putchar('\n');
    fflush(stdout);
}

/* --- WAV, 16-bit mono 8 kHz only: the form of the project's prompts --- */

static uint32_t le32(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }

static int16_t *read_wav(const char *path, size_t *len) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    static uint8_t buffer[44 + 2 * HEARD_MAX + 4096];
    size_t n = fread(buffer, 1, sizeof buffer, f);
    fclose(f);
    if (n < 44 || memcmp(buffer, "RIFF", 4) || buffer[22] != 1 || le32(buffer + 24) != RATE || buffer[34] != 16) return NULL;
    for (size_t at = 12; at + 8 <= n;) {
        uint32_t size = le32(buffer + at + 4);
        if (!memcmp(buffer + at, "data", 4)) {
            if (size > n - at - 8) size = (uint32_t)(n - at - 8);
            *len = size / 2;
            int16_t *samples = malloc(size + 2);
            if (samples) memcpy(samples, buffer + at + 8, size);
            return samples;
        }
        at += 8 + (size_t)size + (size & 1);
    }
    return NULL;
}

static int write_wav(const char *path, const int16_t *samples, size_t len) {
    FILE *f = fopen(path, "wb");
    if (!f) return 0;
    uint32_t bytes = (uint32_t)(len * 2), riff = bytes + 36, fmt = 16, rate = RATE, rate2 = RATE * 2;
    uint16_t one = 1, two = 2, bits = 16;
    fwrite("RIFF", 1, 4, f), fwrite(&riff, 4, 1, f), fwrite("WAVEfmt ", 1, 8, f), fwrite(&fmt, 4, 1, f);
    fwrite(&one, 2, 1, f), fwrite(&one, 2, 1, f), fwrite(&rate, 4, 1, f), fwrite(&rate2, 4, 1, f);
    fwrite(&two, 2, 1, f), fwrite(&bits, 2, 1, f), fwrite("data", 1, 4, f), fwrite(&bytes, 4, 1, f);
    fwrite(samples, 2, len, f);
    return fclose(f) == 0;
}

/* --- sending --- */

static void send_rtp(struct voice *v, int mark, uint8_t pt, uint32_t ts, const uint8_t *payload, size_t len) {
    uint8_t p[12 + FRAME];
    p[0] = 0x80;
    p[1] = (uint8_t)((mark ? 0x80 : 0) | pt);
    v->seq++;
    p[2] = (uint8_t)(v->seq >> 8), p[3] = (uint8_t)v->seq;
    for (int i = 0; i < 4; i++) p[4 + i] = (uint8_t)(ts >> (24 - 8 * i)), p[8 + i] = (uint8_t)(v->ssrc >> (24 - 8 * i));
    memcpy(p + 12, payload, len);
    sendto(v->fd, p, 12 + len, MSG_DONTWAIT, (struct sockaddr *)&v->to, sizeof v->to);
}

static void next_samples(struct voice *v, int16_t *out) {
    memset(out, 0, FRAME * sizeof *out);
    if (v->clicks_left > 0) {
        if (v->click_wait-- == 0) {
            for (int i = 0; i < FRAME; i++) out[i] = (int16_t)(16000 * sin(2 * M_PI * 1000 * i / RATE));
            v->click_sent[v->n_clicks++] = now_us();
            v->click_wait = 19;
            v->clicks_left--;
        }
    } else if (v->source == TONE) {
        for (int i = 0; i < FRAME; i++) {
            out[i] = (int16_t)lrint(v->amplitude * sin(v->phase));
            v->phase = fmod(v->phase + 2 * M_PI * v->hz / RATE, 2 * M_PI);
        }
    } else if (v->source == FILE_PLAYING) {
        size_t n = v->file_len - v->file_at < FRAME ? v->file_len - v->file_at : FRAME;
        memcpy(out, v->file + v->file_at, n * sizeof *out);
        v->file_at += n;
        if (v->file_at == v->file_len) v->source = QUIET;
    }
}

static void tick(struct voice *v) {
    if (!v->used || !v->known || v->source == STOPPED) return;
    v->ts += FRAME;
    if (v->key_left_ms > 0 || v->key_ends > 0) {
        int end = v->key_left_ms <= 0;
        if (v->key_first) v->key_ts = v->ts;
        if (!end) v->key_left_ms -= 20, v->key_sent_ms += 20;
        unsigned duration = (unsigned)(v->key_sent_ms < v->key_total_ms ? v->key_sent_ms : v->key_total_ms) * 8;
        uint8_t e[4] = {(uint8_t)v->key, (uint8_t)((end ? 0x80 : 0) | 10), (uint8_t)(duration >> 8), (uint8_t)duration};
        if (!end) {
            send_rtp(v, v->key_first, EVENT_PT, v->key_ts, e, 4);
            v->key_first = 0;
            return;
        }
        for (; v->key_ends > 0; v->key_ends--) send_rtp(v, 0, EVENT_PT, v->key_ts, e, 4);
    }
    int16_t s[FRAME];
    uint8_t payload[FRAME];
    next_samples(v, s);
    const uint8_t *table = v->pt == 8 ? alaw_of : ulaw_of;
    for (int i = 0; i < FRAME; i++) payload[i] = table[(s[i] >> 2) + 8192];
    send_rtp(v, !v->started, v->pt, v->ts, payload, FRAME);
    v->started = 1;
}

/* --- receiving --- */

static void hear_event(struct voice *v, uint32_t ts, const uint8_t *p, size_t n) {
    if (n < 4 || (v->last_key_known && ts == v->last_key_ts)) return;
    v->last_key_known = 1, v->last_key_ts = ts;
    if (p[0] < 16 && v->n_keys < (int)sizeof v->keys - 1) v->keys[v->n_keys++] = "0123456789*#ABCD"[p[0]];
}

static void hear(struct voice *v, const uint8_t *p, size_t n, const struct sockaddr_in *from, int64_t at) {
    if (n < 12 || p[0] >> 6 != 2) { v->short_packets++; return; }
    size_t head = 12 + 4u * (p[0] & 15);
    if (n < head) { v->short_packets++; return; }
    if (!v->known) v->to = *from, v->known = 1;
    else if (from->sin_addr.s_addr != v->to.sin_addr.s_addr || from->sin_port != v->to.sin_port) { v->strays++; return; }
    uint8_t pt = p[1] & 0x7f;
    uint16_t seq = (uint16_t)(p[2] << 8 | p[3]);
    uint32_t ts = (uint32_t)p[4] << 24 | p[5] << 16 | p[6] << 8 | p[7], ssrc = (uint32_t)p[8] << 24 | p[9] << 16 | p[10] << 8 | p[11];
    v->packets++, v->octets += n - head, v->marks += p[1] >> 7;
    if (v->in_started && at - v->in_last_us > v->max_gap_us) v->max_gap_us = at - v->in_last_us;
    v->in_last_us = at;
    if (!v->in_started) v->in_started = 1, v->in_ssrc = ssrc, v->in_ts0 = ts, v->in_last_seq = (uint16_t)(seq - 1), v->in_last_ts = ts - FRAME;
    else if (ssrc != v->in_ssrc) {
        v->ssrc_changes++, v->in_ssrc = ssrc, v->in_ts0 = ts - (uint32_t)v->heard_len, v->in_last_seq = (uint16_t)(seq - 1);
    }
    int16_t step = (int16_t)(seq - v->in_last_seq);
    if (step <= 0) v->seq_back++;
    else v->lost += (unsigned)step - 1, v->in_last_seq = seq;
    if (pt == EVENT_PT) { hear_event(v, ts, p + head, n - head); return; }
    if (pt != 0 && pt != 8) { v->other_pt++; return; }
    if ((int32_t)(ts - v->in_last_ts) <= 0 && step > 0) v->ts_back++;
    v->in_last_ts = ts;
    size_t place = ts - v->in_ts0, len = n - head;
    if (place + len > HEARD_MAX) { v->outside++; return; }
    double energy = 0;
    for (size_t i = 0; i < len; i++) {
        int16_t s = (pt ? of_alaw : of_ulaw)[p[head + i]];
        v->heard[place + i] = s;
        energy += (double)s * s;
    }
    if (place + len > v->heard_len) v->heard_len = place + len;
    int loud = len && sqrt(energy / (double)len) > 2000;
    if (loud && v->quiet_run >= 5 && v->n_loud < ARRIVALS) v->loud_at[v->n_loud++] = at;
    v->quiet_run = loud ? 0 : v->quiet_run + 1;
}

/* --- measuring --- */

static double dbfs(double amplitude) { return amplitude > 0.5 ? 20 * log10(amplitude / 32767) : -96; }

/* Under a Hann window, which is kept for the next call of the same length. */
static double goertzel(const int16_t *s, size_t n, double hz) {
    static double *window;
    static size_t window_len;
    if (window_len != n) {
        free(window);
        window = malloc(n * sizeof *window), window_len = n;
        for (size_t i = 0; i < n; i++) window[i] = 0.5 - 0.5 * cos(2 * M_PI * (double)i / (double)n);
    }
    double c = 2 * cos(2 * M_PI * hz / RATE), a = 0, b = 0;
    for (size_t i = 0; i < n; i++) {
        double t = c * a - b + s[i] * window[i];
        b = a, a = t;
    }
    return sqrt(fabs(a * a + b * b - c * a * b)) * 4 / (double)n;
}

static int span(const struct voice *v, long from_ms, long len_ms, const int16_t **s, size_t *n) {
    size_t from = (size_t)(from_ms < 0 ? 0 : from_ms) * 8, len = (size_t)(len_ms < 0 ? 0 : len_ms) * 8;
    if (from + len > v->heard_len || !len) return 0;
    *s = v->heard + from, *n = len;
    return 1;
}

static double match(const struct voice *v, const int16_t *f, size_t n, size_t from, size_t to, size_t *best_at) {
    double ff = 0, best = -1;
    if (to > v->heard_len) to = v->heard_len;
    for (size_t i = 0; i < n; i++) ff += (double)f[i] * f[i];
    for (size_t at = from; at + n <= to; at++) {
        const int16_t *h = v->heard + at;
        int64_t fh = 0, hh = 0;
        for (size_t i = 0; i < n; i++) fh += (int32_t)f[i] * h[i], hh += (int32_t)h[i] * h[i];
        double r = hh ? (double)fh / sqrt(ff * (double)hh) : 0;
        if (r > best) best = r, *best_at = at;
    }
    return best;
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void tell_delay(const struct voice *a, const struct voice *b) {
    int64_t d[CLICKS];
    int n = 0;
    for (int i = 0; i < a->n_clicks; i++)
        for (int j = 0; j < b->n_loud; j++)
            if (b->loud_at[j] >= a->click_sent[i] && b->loud_at[j] - a->click_sent[i] < 390000) {
                d[n++] = b->loud_at[j] - a->click_sent[i];
                break;
            }
    if (!n) { reply("err no click was heard"); return; }
    qsort(d, (size_t)n, sizeof *d, by_value);
    reply("ok %d %lld %lld", n, (long long)d[n / 2], (long long)d[n - 1]);
}

/* --- commands --- */

static int bound(int port) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd >= 0 && bind(fd, (struct sockaddr *)&me, sizeof me)) close(fd), fd = -1;
    return fd;
}

static int open_voice(struct voice *v, int id) {
    static int next = 40000;
    int fd = -1, rtcp_fd = -1, port = 0;
    for (int tries = 0; tries < 10000 && rtcp_fd < 0; tries++) {
        port = next, next = next >= 59998 ? 40000 : next + 2;
        if ((fd = bound(port)) >= 0 && (rtcp_fd = bound(port + 1)) < 0) close(fd);
    }
    int16_t *heard = calloc(HEARD_MAX, sizeof *heard);
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)id};
    if (!heard || rtcp_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e)) {
        free(heard);
        return 0;
    }
    /* Seconds of packets: what a busy machine makes us read late must not look lost. */
    int room = 2 << 20;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room)) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    memset(v, 0, sizeof *v);
    v->used = 1, v->fd = fd, v->rtcp_fd = rtcp_fd, v->port = port, v->source = QUIET, v->heard = heard;
    v->ssrc = 0x51000000u + (uint32_t)id, v->seq = (uint16_t)(id * 37), v->ts = (uint32_t)id * 1000;
    return 1;
}

static void close_voice(struct voice *v) {
    close(v->fd), close(v->rtcp_fd);
    free(v->heard), free(v->file);
    memset(v, 0, sizeof *v);
}

static void tell_pitch(const int16_t *s, size_t n, double lo, double hi, double step) {
    double level[GRID_MAX], best = -200, second = -200;
    int count = 0, at = 0, at2 = 0;
    for (double hz = lo; hz <= hi && count < GRID_MAX; hz += step) level[count++] = dbfs(goertzel(s, n, hz));
    for (int i = 0; i < count; i++)
        if (level[i] > best) best = level[i], at = i;
    for (int i = 0; i < count; i++)
        if (abs(i - at) > 1 && level[i] > second) second = level[i], at2 = i;
    reply("ok %.1f %.2f %.1f %.2f", lo + at * step, best, lo + at2 * step, second);
}

/* What takes long is computed by a child from the audio as it is now, so that no stream falters; the child answers. */
static int in_child(void) {
    pid_t child = fork();
    if (child < 0) reply("err %s", strerror(errno));
    return child == 0;
}

static int obey(char *line) {
    char verb[16] = "", a[512] = "", b[64] = "", c[64] = "", d[64] = "";
    int id = -1, n = sscanf(line, "%15s %d %511s %63s %63s %63s", verb, &id, a, b, c, d);
    if (n < 1) return 1;
    if (!strcmp(verb, "quit")) return 0;
    if (id < 0 || id >= VOICES) { reply("err no such voice"); return 1; }
    struct voice *v = &voices[id];
    const int16_t *s;
    size_t len;
    if (!strcmp(verb, "open")) {
        if (v->used) close_voice(v);
        if (open_voice(v, id)) reply("ok %d", v->port);
        else reply("err %s", strerror(errno));
        return 1;
    }
    if (!v->used) { reply("err voice %d is not open", id); return 1; }
    if (!strcmp(verb, "to")) {
        v->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(b))};
        v->known = inet_pton(AF_INET, a, &v->to.sin_addr) == 1;
        reply(v->known ? "ok" : "err bad address");
    } else if (!strcmp(verb, "codec")) v->pt = strcmp(a, "pcma") ? 0 : 8, reply("ok");
    else if (!strcmp(verb, "tone")) v->source = TONE, v->hz = atof(a), v->amplitude = 32767 * pow(10, atof(b) / 20), reply("ok");
    else if (!strcmp(verb, "quiet")) v->source = QUIET, reply("ok");
    else if (!strcmp(verb, "stop")) v->source = STOPPED, reply("ok");
    else if (!strcmp(verb, "play")) {
        free(v->file);
        v->file = read_wav(a, &v->file_len), v->file_at = 0;
        if (v->file) v->source = FILE_PLAYING, reply("ok");
        else v->source = QUIET, reply("err %s is not an 8 kHz 16-bit mono WAV", a);
    } else if (!strcmp(verb, "key")) {
        const char *all = "0123456789*#ABCD", *k = strchr(all, a[0]);
        if (!a[0] || !k) { reply("err no such key"); return 1; }
        v->key = (int)(k - all), v->key_total_ms = v->key_left_ms = atoi(b), v->key_sent_ms = 0, v->key_ends = 3, v->key_first = 1;
        reply("ok");
    } else if (!strcmp(verb, "clicks")) {
        int count = atoi(a);
        v->source = QUIET, v->n_clicks = 0, v->click_wait = 10, v->clicks_left = count > CLICKS ? CLICKS : count;
        reply("ok");
    } else if (!strcmp(verb, "delay")) {
        int other = atoi(a);
        if (other < 0 || other >= VOICES || !voices[other].used) reply("err no such voice");
        else tell_delay(v, &voices[other]);
    } else if (!strcmp(verb, "stats")) {
        uint8_t report[2048];
        while (recv(v->rtcp_fd, report, sizeof report, MSG_DONTWAIT) >= 8) v->reports += report[0] >> 6 == 2 && (report[1] == 200 || report[1] == 201);
        reply("ok packets=%lu reports=%lu octets=%lu lost=%lu ssrc_changes=%lu seq_back=%lu ts_back=%lu marks=%lu other_pt=%lu strays=%lu bad=%lu outside=%lu max_gap_ms=%lld heard_ms=%zu known=%d keys=%s",
              v->packets, v->reports, v->octets, v->lost, v->ssrc_changes, v->seq_back, v->ts_back, v->marks, v->other_pt, v->strays, v->short_packets, v->outside, (long long)v->max_gap_us / 1000, v->heard_len / 8, v->known, v->n_keys ? v->keys : "-");
    } else if (!strcmp(verb, "now")) reply("ok %zu", v->heard_len / 8);
    else if (!strcmp(verb, "level")) {
        if (span(v, atol(a), atol(b), &s, &len)) reply("ok %.2f", dbfs(goertzel(s, len, atof(c))));
        else reply("err nothing heard there");
    } else if (!strcmp(verb, "pitch")) {
        double lo = 0, hi = 0, step = 0;
        if (sscanf(line, "%*s %*d %*s %*s %lf %lf %lf", &lo, &hi, &step) != 3 || step <= 0) reply("err LO HI STEP");
        else if (span(v, atol(a), atol(b), &s, &len)) {
            if (in_child()) tell_pitch(s, len, lo, hi, step), _exit(0);
        }
        else reply("err nothing heard there");
    } else if (!strcmp(verb, "rms")) {
        if (!span(v, atol(a), atol(b), &s, &len)) { reply("err nothing heard there"); return 1; }
        double sum = 0;
        for (size_t i = 0; i < len; i++) sum += (double)s[i] * s[i];
        reply("ok %.2f", dbfs(sqrt(2 * sum / (double)len)));
    } else if (!strcmp(verb, "match")) {
        size_t flen = 0, at = 0, from = (size_t)atol(b) * 8, to = (size_t)atol(c) * 8;
        int16_t *f = read_wav(a, &flen);
        if (!f) { reply("err %s is not an 8 kHz 16-bit mono WAV", a); return 1; }
        if (in_child()) {
            double r = match(v, f, flen, from, to, &at);
            reply("ok %.4f %zu", r, at / 8);
            _exit(0);
        }
        free(f);
    } else if (!strcmp(verb, "save")) reply(write_wav(a, v->heard, v->heard_len) ? "ok" : "err cannot write it");
    else if (!strcmp(verb, "close")) close_voice(v), reply("ok");
    else reply("err no such command");
    return 1;
}

/* --- one thread: packets, a millisecond wheel of 20 slots, commands --- */

static void drain(struct voice *v) {
    uint8_t p[2048];
    struct sockaddr_in from;
    for (int i = 0; i < 32; i++) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(v->fd, p, sizeof p, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
        if (n < 0) return;
        hear(v, p, (size_t)n, &from, now_us());
    }
}

static int read_commands(void) {
    static char pending[8192];
    static size_t held;
    ssize_t n = read(0, pending + held, sizeof pending - 1 - held);
    if (n <= 0) return 0;
    held += (size_t)n;
    pending[held] = 0;
    char *at = pending, *end;
    while ((end = strchr(at, '\n'))) {
        *end = 0;
        if (!obey(at)) return 0;
        at = end + 1;
    }
    held -= (size_t)(at - pending);
    memmove(pending, at, held);
    if (held == sizeof pending - 1) held = 0;
    return 1;
}

int main(void) {
    make_tables();
    signal(SIGCHLD, SIG_IGN);
    epoll_fd = epoll_create1(0);
    int clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    timerfd_settime(clock_fd, 0, &every, NULL);
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = VOICES};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clock_fd, &e);
    e.data.u32 = VOICES + 1;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &e);
    uint64_t slot = 0;
    for (;;) {
        struct epoll_event got[256];
        int n = epoll_wait(epoll_fd, got, 256, -1);
        for (int i = 0; i < n; i++) {
            uint32_t who = got[i].data.u32;
            if (who < VOICES) {
                if (voices[who].used) drain(&voices[who]);
            } else if (who == VOICES + 1) {
                if (!read_commands()) return 0;
            } else {
                uint64_t ticks = 0;
                if (read(clock_fd, &ticks, sizeof ticks) != sizeof ticks) continue;
                /* After a stall a phone goes on where it was; it does not send all that it missed. */
                if (ticks > 60) {
                    uint64_t missed = (ticks - 20) / 20 * 20;
                    slot += missed, ticks -= missed;
                }
                for (; ticks; ticks--, slot++)
                    for (uint32_t id = (uint32_t)(slot % 20); id < VOICES; id += 20) tick(&voices[id]);
            }
        }
    }
}
