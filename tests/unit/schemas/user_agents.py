"""Real user agents, and what they are."""

from schemas.agent import Agent

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"

PEOPLE: list[tuple[str, Agent]] = [
    (
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/141.0.0.0 Safari/537.36",
        Agent("Windows", "10", "Chrome", "141.0.0.0", "desktop"),
    ),
    (
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
        Agent("Windows", "10", "Edge", "141.0.0.0", "desktop"),
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
        Agent("Windows", "10", "IE", "11.0", "desktop"),
    ),
    (
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Version/18.5 Safari/605.1.15",
        Agent("macOS", "10.15.7", "Safari", "18.5", "desktop", "Apple", "Mac"),
    ),
    (
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Chrome/139.0.0.0 Safari/537.36 OPR/120.0.0.0",
        Agent("macOS", "10.15.7", "Opera", "120.0.0", "desktop", "Apple", "Mac"),
    ),
    (
        "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
        Agent("Linux", "", "Firefox", "143.0", "desktop"),
    ),
    (
        "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/119.0",
        Agent("Ubuntu", "", "Firefox", "119.0", "desktop"),
    ),
    (
        f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_WEBKIT} Chrome/140.0.0.0 Safari/537.36",
        Agent("ChromeOS", "14541.0.0", "Chrome", "140.0.0.0", "desktop"),
    ),
    # Headless browsers are browsers: a site's own tests use them.
    (
        f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} HeadlessChrome/141.0.0.0 Safari/537.36",
        Agent("Linux", "", "Chrome Headless", "141.0.0", "desktop"),
    ),
    (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_SAFARI} Version/18.5 Mobile/15E148 Safari/604.1",
        Agent("iOS", "18.5", "Safari", "18.5", "mobile", "Apple", "iPhone"),
    ),
    (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) {_SAFARI} CriOS/131.0.6778.73 Mobile/15E148 Safari",
        Agent("iOS", "18.1", "Chrome", "131.0.6778.73", "mobile", "Apple", "iPhone"),
    ),
    (
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {_SAFARI} Mobile/15E148 "
            "Instagram 334.0.4.32.98 (iPhone14,5; iOS 17_5)"
        ),
        Agent("iOS", "17.5", "Instagram", "334.0.4", "mobile", "Apple", "iPhone14,5"),
    ),
    (
        f"Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) {_SAFARI} Version/17.6 Mobile/15E148 Safari/604.1",
        Agent("iOS", "17.6", "Safari", "17.6", "tablet", "Apple", "iPad"),
    ),
    (
        f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/141.0.0.0 Mobile Safari/537.36",
        Agent("Android", "10", "Chrome", "141.0.0.0", "mobile"),
    ),
    (
        f"Mozilla/5.0 (Linux; Android 14; SM-S918B) {_WEBKIT} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537",
        Agent("Android", "14", "Samsung Internet", "27.0", "mobile", "Samsung", "SM-S918B"),
    ),
    (
        f"Mozilla/5.0 (Linux; Android 13; SM-T870) {_WEBKIT} Chrome/140.0.0.0 Safari/537.36",
        Agent("Android", "13", "Chrome", "140.0.0.0", "tablet", "Samsung", "SM-T870"),
    ),
    (
        f"Mozilla/5.0 (Linux; Android 12; Redmi Note 9 Pro) {_WEBKIT} Chrome/130.0.0.0 Mobile Safari/537.36",
        Agent("Android", "12", "Chrome", "130.0.0.0", "mobile", "Xiaomi", "Redmi Note 9 Pro"),
    ),
    (
        (
            f"Mozilla/5.0 (Linux; Android 13; Pixel 7 Build/TQ3A; wv) {_WEBKIT} Version/4.0 Chrome/116.0.0.0 "
            "Mobile Safari/537.36"
        ),
        Agent("Android", "13", "Chrome WebView", "116.0.0.0", "mobile", "Google", "Pixel 7"),
    ),
    # The brand Cubot ends like a bot.
    (
        f"Mozilla/5.0 (Linux; Android 12; CUBOT KINGKONG 7) {_WEBKIT} Chrome/100.0.0.0 Mobile Safari/537.36",
        Agent("Android", "12", "Chrome", "100.0.0.0", "mobile", "Cubot", "KINGKONG 7"),
    ),
    (
        "Mozilla/5.0 (Android 14; Mobile; rv:131.0) Gecko/131.0 Firefox/131.0",
        Agent("Android", "14", "Firefox", "131.0", "mobile"),
    ),
    (
        "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
        Agent("Android", "", "Opera Mini", "36.2.2254", "mobile"),
    ),
    (
        f"Mozilla/5.0 (Linux; Android 11; KFTRWI) {_WEBKIT} Silk/108.4.6 like Chrome/108.0.5359.220 Safari/537.36",
        Agent("Android", "11", "Amazon Silk", "108.4.6", "tablet", "Amazon", "Kindle"),
    ),
    (
        (
            f"Mozilla/5.0 (Linux; Android 9; AFTMM Build/PS7233; wv) {_WEBKIT} Version/4.0 Chrome/70.0.3538.110 "
            "Mobile Safari/537.36"
        ),
        Agent("Android", "9", "Chrome WebView", "70.0.3538.110", "smarttv", "Amazon", "AFTMM"),
    ),
    (
        f"Mozilla/5.0 (Web0S; Linux/SmartTV) {_WEBKIT} Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
        Agent("webOS", "", "Chrome", "94.0.4606.128", "smarttv", "LG", "Web0S SmartTV"),
    ),
    (
        f"Mozilla/5.0 (PlayStation; PlayStation 5/9.00) {_SAFARI} Version/13.0 Safari/605.1.15",
        Agent("", "", "Safari", "13.0", "console", "Sony", "PlayStation 5"),
    ),
    (
        (
            "Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/606.4 (KHTML, like Gecko) NF/6.0.1.15.4 "
            "NintendoBrowser/5.1.0.20393"
        ),
        Agent("", "", "", "", "console", "Nintendo", "Switch"),
    ),
    # Apps.
    ("MyShop/3.2 CFNetwork/1494.0.7 Darwin/23.4.0", Agent("iOS", "17.4", "MyShop", "3.2", "mobile", "Apple")),
    (
        "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B Build/TP1A.220624.014)",
        Agent("Android", "13", "", "", "mobile", "Samsung", "SM-G991B"),
    ),
    (
        "MyApp/2.0 (Android 14; Model=Pixel 8; Manufacturer=Google)",
        Agent("Android", "14", "", "", "mobile", "Google", "Pixel 8"),
    ),
]

SERVERS = [
    "",
    "node",
    "unknown/1.0",
    "curl/8.5.0",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
    "Python/3.11 aiohttp/3.9.1",
    "python-httpx/0.28.1",
    "Go-http-client/2.0",
    "axios/1.7.2",
    "GuzzleHttp/7",
    "Apache-HttpClient/4.5.14 (Java/17.0.9)",
]
