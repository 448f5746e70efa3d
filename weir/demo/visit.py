"""One visit to the shop, step by step: arriving, browsing, filling the cart, paying."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote_plus

from weir.demo.visitors import Person, Population, Visitor
from weir.demo.world import (
    ARTICLES,
    CATEGORIES,
    COLOURS,
    COUPONS,
    CURRENCY,
    PAYMENTS,
    PRODUCTS,
    SEARCHES,
    SHOP,
    SOURCES,
    Product,
    Source,
)

_ENTRIES = ("home", "category", "product", "article")
_ENTRY_WEIGHTS = (40, 24, 30, 6)
_MEAN_PAUSE_S = 24.0
_LONGEST_PAUSE_S = 600.0
"""Well under the half hour that ends a session."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a visit. ``pause_s``: seconds since the step before, 0 for the first and for what comes with it.

    ``identify``: the visitor has just said who it is.
    """

    name: str
    properties: dict[str, Any]
    pause_s: float
    profile_id: str = ""
    identify: Person | None = None


@dataclass(slots=True)
class Visit:
    """The state of a visit; iterate ``steps()`` once. All chance comes from ``random``."""

    random: Random
    population: Population
    visitor: Visitor
    source: Source = field(init=False)
    _path: str = ""
    _cart: list[tuple[Product, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        returning = self.visitor.visits > 0
        # Who was here before types the address more often.
        weights = [source.weight * (3 if returning and not source.referrer else 1) for source in SOURCES]
        self.source = self.random.choices(SOURCES, weights=weights)[0]

    def steps(self) -> Iterator[Step]:
        """What the visitor does, in order."""
        if self.visitor.is_crawler:
            yield from self._crawl()
            return
        yield from self._arrive()
        if self._bounces():
            return
        if self.visitor.person is not None and not self.visitor.signed_in and self._chance(0.5):
            self.visitor.signed_in = True
            yield self._custom("login", {"method": "password"})
        for _ in range(1 + min(9, int(self.random.expovariate(0.38)))):
            yield from self._browse()
        if self._cart:
            yield from self._check_out()
        elif self.visitor.person is None and self._chance(0.02):
            yield from self._join("footer")
        if self.visitor.signed_in and self._chance(0.3):
            self.visitor.signed_in = False

    def _bounces(self) -> bool:
        return self._chance(0.46 / (0.6 + 0.4 * self.source.intent))

    def _chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def _arrive(self) -> Iterator[Step]:
        entry = self.random.choices(_ENTRIES, weights=_ENTRY_WEIGHTS)[0]
        if entry == "home":
            yield self._view("/", "Weir Bags", first=True)
        elif entry == "category":
            yield self._category(first=True)
        elif entry == "product":
            yield from self._product(self._pick(), first=True)
        else:
            slug = self.random.choice(ARTICLES)
            yield self._view(f"/journal/{slug}", slug.replace("-", " ").capitalize(), first=True)

    def _browse(self) -> Iterator[Step]:
        kind = self.random.choices(("product", "category", "search", "about", "out"), weights=(58, 24, 9, 6, 2))[0]
        if kind == "product":
            yield from self._product(self._pick())
        elif kind == "category":
            yield self._category()
        elif kind == "search":
            words = self.random.choice(SEARCHES)
            yield self._view(f"/search?q={quote_plus(words)}", f"Search: {words}")
            found = 0 if words == "gift card" else self.random.randrange(1, 9)
            yield self._custom("search", {"query": words, "results": found}, pause=False)
        elif kind == "about":
            page = self.random.choice(("about", "shipping", "returns", "journal"))
            yield self._view(f"/{page}", page.capitalize())
        else:
            yield self._custom("link_out", {"href": "https://www.instagram.com/weirbags", "text": "Instagram"})

    def _category(self, *, first: bool = False) -> Step:
        category = self.random.choice(CATEGORIES)
        return self._view(f"/c/{category}", category.capitalize(), first=first)

    def _pick(self) -> Product:
        return self.random.choices(PRODUCTS, weights=[product.weight for product in PRODUCTS])[0]

    def _product(self, product: Product, *, first: bool = False) -> Iterator[Step]:
        yield self._view(f"/p/{product.slug}", product.name, first=first)
        about = {"product": product.name, "category": product.category, "price": product.price / 100}
        yield self._custom("product_viewed", about, pause=False)
        if self._chance(0.10 * self.source.intent):
            quantity = 2 if self._chance(0.12) else 1
            self._cart.append((product, quantity))
            colour = self.random.choice(COLOURS)
            yield self._custom("add_to_cart", {**about, "quantity": quantity, "colour": colour})

    def _check_out(self) -> Iterator[Step]:
        if not self._chance(0.66):
            return
        yield self._view("/cart", "Cart")
        if not self._chance(0.68):
            return
        value = sum(product.price * quantity for product, quantity in self._cart)
        items = sum(quantity for _, quantity in self._cart)
        yield self._view("/checkout", "Checkout")
        yield self._custom("checkout_started", {"value": value / 100, "items": items}, pause=False)
        if self.visitor.person is None and self._chance(0.5):
            yield from self._join("checkout")
        if not self._chance(0.74):
            if self._chance(0.3):
                yield self._custom("payment_failed", {"reason": self.random.choice(("declined", "timeout", "3ds"))})
            return
        payment = self.random.choice(PAYMENTS)
        order: dict[str, Any] = {"value": value / 100, "items": items, "payment": payment}
        order["products"] = [product.name for product, _ in self._cart]
        if self._chance(0.2):
            order["coupon"] = self.random.choice(COUPONS)
            value = value * 9 // 10
        yield self._view("/checkout/thanks", "Thank you")
        yield self._custom("purchase", order, pause=False)
        yield self._custom("revenue", {"__revenue": value, "__currency": CURRENCY, "payment": payment}, pause=False)

    def _join(self, place: str) -> Iterator[Step]:
        person = self.population.sign_up(self.visitor)
        properties = self._located({"place": place, "plan": person.plan})
        yield Step("sign_up", properties, self._pause(), person.profile_id, person)

    def _crawl(self) -> Iterator[Step]:
        for product in self.random.sample(PRODUCTS, 3):
            self._path = f"{SHOP}/p/{product.slug}"
            yield Step("screen_view", {"__path": self._path, "__title": product.name}, 2.0)

    def _view(self, path: str, title: str, *, first: bool = False) -> Step:
        query = f"?{self.source.query}" if first and self.source.query else ""
        self._path = f"{SHOP}{path}{query}"
        return self._custom("screen_view", {"__title": title, "__screen": self.visitor.device.screen}, pause=not first)

    def _custom(self, name: str, properties: dict[str, Any], *, pause: bool = True) -> Step:
        person = self.visitor.person if self.visitor.signed_in else None
        profile_id = person.profile_id if person is not None else ""
        return Step(name, self._located(properties), self._pause() if pause else 0.0, profile_id)

    def _located(self, properties: dict[str, Any]) -> dict[str, Any]:
        located = {"__path": self._path, **properties}
        if self.source.referrer:
            located["__referrer"] = self.source.referrer
        return located

    def _pause(self) -> float:
        return min(_LONGEST_PAUSE_S, 1.0 + self.random.expovariate(1 / _MEAN_PAUSE_S))
