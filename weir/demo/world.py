"""What the demo is made of: a shop with its products, and where, how and from where people come to it."""

from ipaddress import IPv4Network
from typing import NamedTuple

SHOP = "https://shop.weir.example"
CURRENCY = "USD"


class Country(NamedTuple):
    """``utc_offset`` in hours, without summer time; ``networks``: large consumer networks of that country."""

    code: str
    language: str
    utc_offset: float
    weight: float
    networks: tuple[IPv4Network, ...]


def _country(code: str, language: str, utc_offset: float, weight: float, *networks: str) -> Country:
    return Country(code, language, utc_offset, weight, tuple(IPv4Network(network) for network in networks))


COUNTRIES = (
    _country("US", "en-US,en;q=0.9", -6, 26, "73.0.0.0/9", "24.0.0.0/12", "98.192.0.0/10"),
    _country("DE", "de-DE,de;q=0.9,en;q=0.7", 1, 15, "84.128.0.0/10", "91.0.0.0/10", "79.192.0.0/10"),
    _country("GB", "en-GB,en;q=0.9", 0, 11, "86.128.0.0/10", "81.128.0.0/11"),
    _country("FR", "fr-FR,fr;q=0.9,en;q=0.6", 1, 8, "90.32.0.0/11", "82.64.0.0/14"),
    _country("NL", "nl-NL,nl;q=0.9,en;q=0.8", 1, 6, "77.160.0.0/12", "84.80.0.0/13"),
    _country("CA", "en-CA,en;q=0.9,fr-CA;q=0.5", -5, 6, "99.224.0.0/11", "70.24.0.0/13"),
    _country("IN", "en-IN,hi;q=0.8", 5.5, 6, "117.192.0.0/10", "49.36.0.0/14"),
    _country("ES", "es-ES,es;q=0.9", 1, 5, "88.0.0.0/11", "83.32.0.0/11"),
    _country("IT", "it-IT,it;q=0.9", 1, 4, "79.0.0.0/10", "87.0.0.0/12"),
    _country("SE", "sv-SE,sv;q=0.9,en;q=0.8", 1, 4, "90.224.0.0/12", "81.224.0.0/12"),
    _country("PL", "pl-PL,pl;q=0.9", 1, 3, "83.0.0.0/11"),
    _country("BR", "pt-BR,pt;q=0.9", -3, 3, "177.32.0.0/11"),
    _country("JP", "ja-JP,ja;q=0.9", 9, 2, "126.0.0.0/9"),
    _country("AU", "en-AU,en;q=0.9", 10, 2, "1.128.0.0/11"),
)

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS"


class Device(NamedTuple):
    """``hints``: the client hints this browser sends."""

    user_agent: str
    screen: str
    weight: float
    hints: tuple[tuple[str, str], ...] = ()


def _android(model: str, version: str, screen: str, weight: float) -> Device:
    """Chrome says Android 10 and K of every phone, and the truth in client hints."""
    hints = (
        ("sec-ch-ua-mobile", "?1"),
        ("sec-ch-ua-platform", '"Android"'),
        ("sec-ch-ua-platform-version", f'"{version}"'),
        ("sec-ch-ua-model", f'"{model}"'),
    )
    agent = f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/141.0.0.0 Mobile Safari/537.36"
    return Device(agent, screen, weight, hints)


def _windows(product: str, screen: str, weight: float, platform_version: str = "15.0.0") -> Device:
    hints = (
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", '"Windows"'),
        ("sec-ch-ua-platform-version", f'"{platform_version}"'),
    )
    return Device(f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} {product}", screen, weight, hints)


DEVICES = (
    _windows("Chrome/141.0.0.0 Safari/537.36", "1920x1080", 14),
    _windows("Chrome/140.0.0.0 Safari/537.36", "1536x864", 6, "10.0.0"),
    _windows("Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", "1920x1080", 7),
    Device("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0", "1920x1080", 4),
    Device(f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Version/18.5 Safari/605.1.15", "1440x900", 7),
    Device(f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Chrome/141.0.0.0 Safari/537.36", "1728x1117", 7),
    Device("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "2560x1440", 2),
    Device(f"{_IPHONE} 18_5 like Mac OS X) {_SAFARI} Version/18.5 Mobile/15E148 Safari/604.1", "393x852", 17),
    Device(f"{_IPHONE} 17_6 like Mac OS X) {_SAFARI} Version/17.6 Mobile/15E148 Safari/604.1", "390x844", 6),
    Device(f"{_IPHONE} 18_5 like Mac OS X) {_SAFARI} Mobile/15E148 Instagram 385.0.0.30.91", "402x874", 3),
    _android("SM-S918B", "15.0.0", "412x915", 9),
    _android("SM-A546B", "14.0.0", "412x915", 6),
    _android("Pixel 8", "15.0.0", "412x915", 4),
    _android("2201117TY", "13.0.0", "393x873", 3),
    Device(
        f"Mozilla/5.0 (Linux; Android 14; SM-S911B) {_WEBKIT} SamsungBrowser/27.0 Chrome/125 Mobile Safari/537.36",
        "360x780",
        4,
    ),
    Device(
        f"Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) {_SAFARI} Version/17.6 Mobile/15E148 Safari/604.1",
        "820x1180",
        3,
    ),
    Device(f"Mozilla/5.0 (Linux; Android 13; SM-X200) {_WEBKIT} Chrome/140.0.0.0 Safari/537.36", "800x1280", 1),
)

CRAWLER = Device("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "1024x768", 1)
CRAWLER_NETWORK = IPv4Network("66.249.64.0/20")


class Source(NamedTuple):
    """How a visit begins: the referrer the browser names and the parameters of the link. ``intent`` scales how
    likely its visitors are to buy."""

    referrer: str
    query: str
    weight: float
    intent: float = 1.0


SOURCES = (
    Source("", "", 30, 1.3),
    Source("https://www.google.com/", "", 24, 1.1),
    Source("https://www.bing.com/", "", 4, 1.1),
    Source("https://duckduckgo.com/", "", 3),
    Source("https://www.instagram.com/", "", 5, 0.6),
    Source("https://l.facebook.com/", "", 4, 0.6),
    Source("https://t.co/Hk3xq", "", 3, 0.4),
    Source("https://www.reddit.com/r/onebag/", "", 3, 0.7),
    Source("https://www.youtube.com/", "", 3, 0.8),
    Source("https://news.ycombinator.com/", "", 1, 0.3),
    Source("https://chatgpt.com/", "utm_source=chatgpt.com", 4, 1.2),
    Source("https://www.perplexity.ai/", "", 2, 1.2),
    Source("https://www.outdoorblog.example/best-daypacks", "", 3, 1.5),
    Source(
        "https://www.google.com/",
        "utm_source=google&utm_medium=cpc&utm_campaign=brand&utm_term=weir+bags&gclid=Cj0K",
        6,
        1.8,
    ),
    Source(
        "https://www.google.com/",
        "utm_source=google&utm_medium=cpc&utm_campaign=autumn_sale&utm_content=backpacks",
        4,
        1.3,
    ),
    Source(
        "https://l.facebook.com/",
        "utm_source=facebook&utm_medium=paid_social&utm_campaign=retargeting&fbclid=IwAR",
        4,
        1.4,
    ),
    Source("", "utm_source=newsletter&utm_medium=email&utm_campaign=weekly_42", 5, 2.2),
    Source("", "utm_source=newsletter&utm_medium=email&utm_campaign=welcome&utm_content=button", 2, 2.0),
    Source("", "utm_source=partner-cards&utm_medium=print&utm_campaign=city_guide", 1, 1.0),
)


class Product(NamedTuple):
    """``price`` in cents."""

    slug: str
    name: str
    category: str
    price: int
    weight: float


PRODUCTS = (
    Product("harbour-daypack-20", "Harbour Daypack 20", "backpacks", 11_900, 9),
    Product("harbour-daypack-28", "Harbour Daypack 28", "backpacks", 13_900, 7),
    Product("summit-pack-45", "Summit Pack 45", "backpacks", 21_900, 4),
    Product("canvas-rolltop", "Canvas Rolltop", "backpacks", 9_900, 6),
    Product("city-tote", "City Tote", "totes", 5_900, 6),
    Product("market-tote", "Market Tote", "totes", 3_400, 5),
    Product("weekender", "Weekender", "travel", 18_900, 5),
    Product("cabin-duffel", "Cabin Duffel", "travel", 15_900, 4),
    Product("packing-cubes", "Packing Cubes, set of 3", "travel", 3_900, 5),
    Product("laptop-sleeve-14", 'Laptop Sleeve 14"', "accessories", 4_500, 4),
    Product("bottle-sling", "Bottle Sling", "accessories", 2_900, 3),
    Product("rain-cover", "Rain Cover", "accessories", 1_900, 3),
)
CATEGORIES = ("backpacks", "totes", "travel", "accessories")
COLOURS = ("black", "olive", "sand", "navy", "rust")
ARTICLES = ("how-to-pack-light", "waxed-canvas-care", "our-workshop")
SEARCHES = ("backpack", "waterproof", "laptop 16", "tote", "carry on", "gift card", "olive", "straps")
PAYMENTS = ("card", "paypal", "apple_pay", "invoice")
COUPONS = ("WELCOME10", "AUTUMN15")

FIRST_NAMES = (
    *("Ada", "Ben", "Chiara", "David", "Elif", "Finn", "Grace", "Hugo", "Ines", "Jonas", "Kaya", "Lena", "Mateo"),
    *("Nora", "Oskar", "Priya", "Quinn", "Rosa", "Sam", "Tomasz", "Uma", "Vera", "Wout", "Yuki", "Zoe"),
)
LAST_NAMES = (
    *("Almeida", "Brandt", "Costa", "Dubois", "Eriksson", "Fischer", "Garcia", "Hughes", "Ito", "Jansen", "Kowalski"),
    *("Lindgren", "Moreau", "Nowak", "Okafor", "Patel", "Rossi", "Schmidt", "Taylor", "Ueda", "Visser", "Weber"),
)
PLANS = ("free", "free", "free", "club")
