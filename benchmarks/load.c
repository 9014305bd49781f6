/*
 * A load generator that costs little: threads, each one connection at a time, HTTP/1.1 over TLS, directly or through
 * an HTTP proxy's CONNECT. Bodies are decrypted and dropped. Prints one JSON object; a request that fails counts.
 *
 * load -p PORT -n NAME -g TARGET [-a FIELD]... [-c CONNECTIONS] [-r REQUESTS] [-s SECONDS] [-b BYTES_PER_SECOND] [-x] [-f]
 *   -p  the server's or proxy's port on 127.0.0.1      -n  the name for SNI, Host and CONNECT
 *   -a  one more request field, "Name: value"          -c  connections at once (1)
 *   -r  requests of each connection (1)                -s  stop after so long, whatever -r says
 *   -b  read no faster than this, each connection      -x  CONNECT first
 *   -f  a new connection for every request
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 18, MAX_CONNECTIONS = 512, MAX_LATENCIES = 1 << 20, MAX_REQUEST = 8192, STALL_SECONDS = 60 };

static struct {
    int port, connections, requests, use_connect, fresh;
    double seconds, rate;
    const char *name, *target;
    char request[MAX_REQUEST];
} opt = {.connections = 1, .requests = 1};

static SSL_CTX *context;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long long bytes;
static long requests, failures, latency_count;
static double latencies[MAX_LATENCIES];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static double began;

static int time_is_up(void) { return opt.seconds > 0 && now() - began >= opt.seconds; }

/* A connected socket, past the proxy's 200 where there is a proxy; -1 on failure. */
static int dial(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(opt.port)};
    struct timeval stall = {.tv_sec = STALL_SECONDS};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return -1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
    if (connect(fd, (void *)&to, sizeof to) < 0) goto failed;
    if (opt.use_connect) {
        char text[1024];
        int length = snprintf(text, sizeof text, "CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n", opt.name, opt.name);
        if (write(fd, text, length) != length) goto failed;
        /* Nothing follows the head before we speak, so reading it in one piece takes nothing of the tunnel's. */
        for (length = 0; length < 4 || memcmp(text + length - 4, "\r\n\r\n", 4);) {
            ssize_t got = read(fd, text + length, sizeof text - 1 - length);
            if (got <= 0) goto failed;
            length += got;
        }
        if (strncmp(text, "HTTP/1.1 200", 12)) goto failed;
    }
    return fd;
failed:
    close(fd);
    return -1;
}

static SSL *handshake(int fd) {
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, opt.name);
    if (SSL_connect(ssl) == 1) return ssl;
    SSL_free(ssl);
    return NULL;
}

/* The bytes of a whole 200 answer's body, or -1. */
static long long exchange(SSL *ssl, char *buffer) {
    int length = strlen(opt.request), have = 0;
    char *end = NULL, *field;
    if (SSL_write(ssl, opt.request, length) != length) return -1;
    while (!end) {
        int got = have < BUFFER - 1 ? SSL_read(ssl, buffer + have, BUFFER - 1 - have) : 0;
        if (got <= 0) return -1;
        have += got;
        buffer[have] = 0;
        end = strstr(buffer, "\r\n\r\n");
    }
    end += 4;
    field = strcasestr(buffer, "\r\nContent-Length:");
    if (strncmp(buffer, "HTTP/1.1 200", 12) || !field || field > end) return -1;
    long long size = atoll(field + 17), taken = have - (end - buffer);
    double started = now();
    while (taken < size) {
        int got = SSL_read(ssl, buffer, BUFFER);
        if (got <= 0) return -1;
        taken += got;
        if (opt.rate > 0) {
            double early = started + taken / opt.rate - now();
            if (early > 0) usleep(early * 1e6);
        }
        if (time_is_up()) return taken;
    }
    return taken;
}

static void hang_up(SSL *ssl, int fd) {
    if (ssl) {
        SSL_shutdown(ssl);
        SSL_free(ssl);
    }
    if (fd >= 0) close(fd);
}

static void *run(void *unused) {
    char *buffer = malloc(BUFFER);
    SSL *ssl = NULL;
    int fd = -1;
    (void)unused;
    for (int i = 0; i < opt.requests && !time_is_up(); i++) {
        double at = now();
        if (!ssl) {
            fd = dial();
            ssl = fd < 0 ? NULL : handshake(fd);
        }
        long long got = ssl ? exchange(ssl, buffer) : -1;
        double took = now() - at;
        if (got < 0 || opt.fresh) {
            hang_up(ssl, fd);
            ssl = NULL;
            fd = -1;
        }
        pthread_mutex_lock(&lock);
        if (got < 0) failures++;
        else {
            requests++;
            bytes += got;
            if (latency_count < MAX_LATENCIES) latencies[latency_count++] = took;
        }
        pthread_mutex_unlock(&lock);
    }
    hang_up(ssl, fd);
    free(buffer);
    return NULL;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double quantile(double q) { return latency_count ? latencies[(long)((latency_count - 1) * q)] * 1e3 : 0; }

int main(int argc, char **argv) {
    char more[MAX_REQUEST / 2] = "";
    pthread_t threads[MAX_CONNECTIONS];
    for (int c; (c = getopt(argc, argv, "p:n:g:a:c:r:s:b:xf")) != -1;) switch (c) {
        case 'p': opt.port = atoi(optarg); break;
        case 'n': opt.name = optarg; break;
        case 'g': opt.target = optarg; break;
        case 'a':
            if (strlen(more) + strlen(optarg) + 3 > sizeof more) return 2;
            strcat(strcat(more, optarg), "\r\n");
            break;
        case 'c': opt.connections = atoi(optarg); break;
        case 'r': opt.requests = atoi(optarg); break;
        case 's': opt.seconds = atof(optarg); break;
        case 'b': opt.rate = atof(optarg); break;
        case 'x': opt.use_connect = 1; break;
        case 'f': opt.fresh = 1; break;
        default: return 2;
        }
    if (!opt.port || !opt.name || !opt.target || opt.connections < 1 || opt.connections > MAX_CONNECTIONS) {
        fprintf(stderr, "load: -p, -n and -g are needed, and at most %d connections\n", MAX_CONNECTIONS);
        return 2;
    }
    snprintf(opt.request, sizeof opt.request, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\n%s\r\n", opt.target,
             opt.name, more);
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL); /* who the server is was checked before the clock started */
    /* As Go's clients do: AES with 128 bits first. */
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
    SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);
    began = now();
    for (int i = 0; i < opt.connections; i++) pthread_create(&threads[i], NULL, run, NULL);
    for (int i = 0; i < opt.connections; i++) pthread_join(threads[i], NULL);
    double seconds = now() - began;
    qsort(latencies, latency_count, sizeof latencies[0], by_value);
    printf("{\"requests\": %ld, \"bytes\": %lld, \"failures\": %ld, \"seconds\": %.6f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
           requests, bytes, failures, seconds, quantile(0.5), quantile(0.99));
    return 0;
}
