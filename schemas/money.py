"""What money an event may bring: the gateway refuses the rest, and so does the worker."""

from decimal import Decimal, InvalidOperation

MAX_REVENUE = 10**12
"""The largest amount of one event, in minor units: sums of very many of them stay within 64 bits."""

_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF
IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD
MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB
RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD
UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_CODES.split())
"""ISO 4217's codes of money that is held today."""


def currency_code(given: object) -> str | None:
    """The code of a sender's currency, in capitals; empty if it names none, None if there is no such money."""
    if given is None or given == "":
        return ""
    code = given.strip().upper() if isinstance(given, str) else ""
    return code if code in CURRENCIES else None


_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_IN_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
_NO_MINOR_UNIT = frozenset(_WHOLE.split())
_THOUSANDTHS = frozenset(_IN_THOUSANDTHS.split())
_LONGEST_AMOUNT = 32


def minor_units(amount: object, currency: str) -> int | None:
    """What other trackers give in major units (``29.99``, as a number or a text) in minor units of the currency, a code
    of ISO 4217; None for what is no amount, negative or too large.
    """
    if isinstance(amount, bool) or not isinstance(amount, int | float | str) or len(str(amount)) > _LONGEST_AMOUNT:
        return None
    digits = 0 if currency in _NO_MINOR_UNIT else 3 if currency in _THOUSANDTHS else 2
    try:
        # A float goes through its text: 0.29 means 29 hundredths, and not the float's 28.999….
        exact = Decimal(str(amount).strip())
    except InvalidOperation:
        return None
    if not exact.is_finite() or not 0 <= exact <= MAX_REVENUE:
        return None
    units = int((exact * 10**digits).to_integral_value())
    return units if units <= MAX_REVENUE else None
