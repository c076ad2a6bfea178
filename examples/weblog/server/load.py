#!/usr/bin/env python3
"""The site, the application behind it and the visitors of the server in nginx.conf. See make-log.sh.

    load.py site DIR                            writes the pages into DIR
    load.py visit PORT BACKEND_PORT SECONDS     visits them for so long

Nothing here writes a log line: nginx does, of what it was asked and what it answered.
"""

import asyncio
import base64
import math
import pathlib
import random
import ssl
import sys
import time

# Visitors a second, on average; each makes between one and about fifteen requests.
VISITORS_PER_SECOND = 2.15

# Path -> (size in bytes, how often it is where a visitor starts).
PAGES = {
    "/": (9_300, 30),
    "/about": (4_100, 3),
    "/pricing": (7_800, 8),
    "/contact": (2_600, 2),
    "/team": (6_400, 1),
    "/jobs": (5_200, 1),
    "/changelog": (48_000, 4),
    "/docs/": (6_000, 14),
    "/docs/install": (11_200, 12),
    "/docs/first-steps": (18_700, 10),
    "/docs/configuration": (61_400, 9),
    "/docs/operators": (83_900, 5),
    "/docs/windows": (27_300, 6),
    "/docs/troubleshooting": (22_100, 7),
    "/docs/upgrade": (9_900, 2),
    "/docs/glossary": (31_000, 1),
    "/docs/%C3%BCbersicht": (7_100, 1),
    "/blog/": (8_200, 6),
    "/blog/why-we-rewrote-the-scheduler": (19_800, 16),
    "/blog/release-2.4": (12_500, 9),
    "/blog/release-2.3": (11_900, 2),
    "/blog/a-bug-in-three-acts": (24_600, 5),
    "/blog/benchmarks-are-hard": (17_000, 4),
    "/blog/hello-world": (3_300, 1),
}
ASSETS = {
    "/assets/site.css": 38_200,
    "/assets/app.js": 121_000,
    "/assets/search.js": 14_900,
    "/assets/logo.svg": 3_100,
    "/assets/hero.webp": 182_000,
    "/assets/diagram.svg": 27_500,
    "/assets/team.webp": 96_400,
    "/favicon.ico": 1_150,
}
FILES = {
    "/feed.xml": 21_700,
    "/sitemap.xml": 6_900,
    "/robots.txt": 120,
    "/admin/index.html": 5_600,
    "/admin/orders.html": 44_800,
    "/internal/metrics.html": 900,
    "/files/kiln-2.4.0.tar.gz": 2_400_000,
    "/files/kiln-2.3.1.tar.gz": 2_300_000,
}
USERS = {"ada": "lovelace", "grace": "hopper", "alan.t": "turing"}

BROWSERS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
]
CRAWLERS = [
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bot.example/about)",
    "Mozilla/5.0 (compatible; SearchCrawler/7.0; +http://crawler.example/)",
    "ArchiveWalker/0.9 (\"friendly\"; contact: crawl@archive.example)",
]
SCRIPTS = ["curl/8.14.1", "Wget/1.21.3", "python-requests/2.32.5", "Go-http-client/1.1", "kiln-updater/2.4.0 (linux; x86_64)"]
REFERRERS = [
    "https://www.search.example/",
    "https://news.example/item?id=4410237",
    "https://forum.example/t/stream-processing-at-home/1182?page=3",
    "https://social.example/@ada/114520993",
    "https://www.suche.example/?q=%C3%BCbersicht+kiln",
]
SEARCHES = ["window", "late+data", "how+to+install", "%22exactly+once%22", "100%25", "caf%C3%A9", "memory"]
PROBES = ["/wp-login.php", "/.env", "/.git/config", "/phpmyadmin/", "/cgi-bin/test.cgi?x=%00", "/admin.php", "/xmlrpc.php"]


def write_site(folder):
    """Writes every page and asset, of words rather than zeros so that gzip has something to do."""
    rng = random.Random(1)
    words = "a batch of rows meets the window and leaves as one sum while the watermark goes on its way".split()
    for path, size in [(p, s) for p, (s, _) in PAGES.items()] + list(ASSETS.items()) + list(FILES.items()):
        name = path.replace("%C3%BC", "ü")
        if name.endswith("/"):
            name += "index.html"
        elif "." not in name.rsplit("/", 1)[1].replace("2.", "2-"):
            name += ".html"
        file = pathlib.Path(folder) / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith((".webp", ".gz", ".ico")):
            content = rng.randbytes(size)
        else:
            content = " ".join(rng.choices(words, k=size // 3)).encode()[:size]
        file.write_bytes(content)


async def application(reader, writer):
    """The application: slower than files, sometimes wrong, sometimes too late."""
    rng = random.Random()
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ", 2)[1].decode()
            length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            luck = rng.random()
            await asyncio.sleep(min(rng.lognormvariate(-3.2, 0.7), 1.5))
            if path.startswith("/api/v1/report") and luck < 0.10:
                await asyncio.sleep(2.5)
            status = "200 OK"
            if luck > 0.985:
                status = "500 Internal Server Error"
            elif luck > 0.975:
                status = "503 Service Unavailable"
            elif head.startswith(b"POST"):
                status = "201 Created"
            body = b'{"items":[' + b",".join(b'{"id":%d}' % rng.randrange(10**6) for _ in range(rng.randrange(400))) + b"]}"
            if status[0] == "5":
                body = b'{"error":"try again"}'
            writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                         "Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
            break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


class Visitor:
    """One visitor with one address, one agent and one connection."""

    def __init__(self, rng, port, agent):
        self.rng, self.port, self.agent = rng, port, agent
        self.address = address(rng)
        self.local = f"127.0.0.{rng.randrange(2, 250)}"
        self.streams = None
        self.seen = {}

    async def connect(self):
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.local, 0))
        return self.streams

    async def hang_up(self):
        if self.streams:
            self.streams[1].close()
            self.streams = None

    async def get(self, path, method="GET", referrer=None, user=None, body=b"", version="1.1", patience=5.0, extra=()):
        """One request; a page that was seen before is asked for with If-Modified-Since. Returns the status."""
        lines = [f"{method} {path} HTTP/{version}", "Host: kiln.example", f"X-Forwarded-For: {self.address}"]
        if self.agent:
            lines.append(f"User-Agent: {self.agent}")
        if referrer:
            lines.append(f"Referer: {referrer}")
        if self.agent in BROWSERS:
            lines.append("Accept-Encoding: gzip, deflate, br")
        if user:
            token = base64.b64encode(f"{user}:{USERS.get(user, 'guess')}".encode()).decode()
            lines.append(f"Authorization: Basic {token}")
        if path in self.seen and method == "GET":
            lines.append(f"If-Modified-Since: {self.seen[path]}")
        if body or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(body)}")
        lines.extend(extra)
        try:
            reader, writer = await self.connect()
            writer.write("\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body)
            return await asyncio.wait_for(self.answer(reader, path, method), patience)
        except (asyncio.TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            await self.hang_up()
            return None

    async def answer(self, reader, path, method):
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        if b"last-modified" in headers:
            self.seen[path] = next(line[15:].decode() for line in head.split(b"\r\n") if line.startswith(b"Last-Modified: "))
        if method != "HEAD" and status != 304:
            if headers.get(b"transfer-encoding") == b"chunked":
                while size := int(await reader.readuntil(b"\r\n"), 16):
                    await reader.readexactly(size + 2)
                await reader.readexactly(2)
            else:
                await reader.readexactly(int(headers.get(b"content-length", 0)))
        if headers.get(b"connection") == b"close":
            await self.hang_up()
        return status

    async def raw(self, data):
        """Bytes that are no request, and whatever comes back."""
        try:
            reader, writer = await self.connect()
            writer.write(data)
            await asyncio.wait_for(reader.read(), 5)
        except (asyncio.TimeoutError, ConnectionError):
            pass
        await self.hang_up()

    async def pause(self, mean):
        await asyncio.sleep(min(self.rng.expovariate(1 / mean), 8 * mean))


def address(rng):
    """An address from the ranges that are kept for documentation; a few visitors come often."""
    if rng.random() < 0.25:
        return rng.choice(["203.0.113.7", "203.0.113.99", "198.51.100.23", "2001:db8:40::1f"])
    if rng.random() < 0.2:
        return f"2001:db8:{rng.randrange(0x200):x}::{rng.randrange(1, 0x10000):x}"
    return f"{rng.choice(['192.0.2', '198.51.100', '203.0.113'])}.{rng.randrange(1, 255)}"


def start_page(rng):
    return rng.choices(list(PAGES), [weight for _, weight in PAGES.values()])[0]


async def browse(v):
    """Somebody reads a few pages: each brings its assets, which are asked for again later only to hear 304."""
    rng, referrer = v.rng, v.rng.choice(REFERRERS + [None, None, None])
    page = start_page(rng)
    for _ in range(rng.choices([1, 2, 3, 4, 6], [9, 6, 4, 2, 1])[0]):
        query = "?utm_source=news&utm_medium=mail" if rng.random() < 0.05 else ""
        await v.get(page + query, referrer=referrer)
        here = "https://kiln.example" + page
        wanted = ["/assets/site.css", "/assets/app.js", "/assets/logo.svg"]
        wanted += {"/": ["/assets/hero.webp"], "/team": ["/assets/team.webp"], "/docs/windows": ["/assets/diagram.svg"]}.get(page, [])
        if not v.seen.get("/favicon.ico"):
            wanted.append("/favicon.ico")
        for asset in wanted:
            if asset not in v.seen or rng.random() < 0.3:
                await v.get(asset, referrer=here)
        await v.pause(3.0)
        referrer, last, page = here, page, start_page(rng)
        if rng.random() < 0.12:
            page = last
        elif rng.random() < 0.12:
            page = "/search?q=" + rng.choice(SEARCHES)
        elif rng.random() < 0.06:
            page = rng.choice(["/download", "/manual/install", "/docs/instal", "/blog/release-2.5", "/calendar/"])
    if page == "/download":
        # Some give up on a large file half-way.
        await v.get("/files/kiln-2.4.0.tar.gz", referrer="https://kiln.example/", patience=0.002 if rng.random() < 0.3 else 5)


async def crawl(v):
    await v.get("/robots.txt")
    for page in v.rng.sample(list(PAGES), v.rng.randrange(3, 12)) + ["/sitemap.xml", "/docs/removed-page"]:
        await v.get(page, method="HEAD" if v.rng.random() < 0.2 else "GET")
        await v.pause(0.8)


async def use_api(v):
    for _ in range(v.rng.randrange(1, 6)):
        number = v.rng.randrange(40)
        luck = v.rng.random()
        if luck < 0.15:
            await v.get("/api/v1/items", "POST", body=b'{"name":"x"}', extra=["Content-Type: application/json"])
        elif luck < 0.3:
            await v.get("/api/v1/report?from=2026-01-01&to=2026-02-01", patience=v.rng.choice([0.6, 5.0]))
        elif luck < 0.35:
            await v.get("/api/v1/items", "POST", body=b"x" * 70_000)
        else:
            await v.get(f"/api/v1/items/{number}?fields=id,name")
        await v.pause(1.0)


async def update(v):
    await v.get("/feed.xml")
    if v.rng.random() < 0.3:
        await v.get(v.rng.choice(["/files/kiln-2.4.0.tar.gz", "/files/kiln-2.3.1.tar.gz", "/files/kiln-2.2.0.tar.gz"]))
    await v.get("/", "POST", body=b"q=1")


async def administrate(v):
    await v.get("/admin/")
    user = v.rng.choice(list(USERS) + ["root"])
    for page in ["/admin/", "/admin/orders.html?page=1&sort=date", "/admin/orders.html?page=2&sort=date"]:
        await v.get(page, user=user, referrer="https://kiln.example/admin/")
        await v.pause(2.0)
    await v.get("/legacy/orders.cgi?id=17", user=user)


async def probe(v):
    for path in v.rng.sample(PROBES, 4):
        await v.get(path, version=v.rng.choice(["1.0", "1.1"]))
    await v.get("/internal/metrics.html")
    await v.raw(v.rng.choice([
        client_hello(),
        b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
        b"GET /\r\nnot a header\x00\r\n\r\n",
        b"OPTIONS rtsp://kiln.example/ RTSP/1.0\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: kiln.example\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: kiln.example\r\n\r\n",
        b"\\x16 is not a \"request\"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: kiln.example\r\nX-Long: " + b"y" * 9_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
    ]))


def client_hello():
    """The first bytes of TLS, sent to a port that speaks none."""
    out = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="kiln.example")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


async def visit(port, backend_port, seconds):
    server = await asyncio.start_server(application, "127.0.0.1", backend_port)
    rng, tasks, started = random.Random(7), set(), time.monotonic()
    kinds = [(browse, BROWSERS, 62), (crawl, CRAWLERS, 7), (use_api, SCRIPTS, 17), (update, SCRIPTS, 5),
             (administrate, BROWSERS, 3), (probe, SCRIPTS + [None], 6)]
    async with server:
        while (now := time.monotonic() - started) < seconds:
            act, agents, _ = rng.choices(kinds, [weight for _, _, weight in kinds])[0]
            v = Visitor(random.Random(rng.random()), port, rng.choice(agents))
            task = asyncio.create_task(act(v))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            # A wave of a minute and a half, and a minute in which a link is passed around.
            rate = VISITORS_PER_SECOND * (1 + 0.5 * math.sin(now * 2 * math.pi / 90))
            if 0.45 < now / seconds < 0.65:
                rate *= 1.9
            await asyncio.sleep(rng.expovariate(rate))
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["site", folder]:
            write_site(folder)
        case ["visit", port, backend_port, seconds]:
            asyncio.run(visit(int(port), int(backend_port), float(seconds)))
        case _:
            sys.exit(__doc__)
