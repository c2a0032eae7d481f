"""ISO 4217: the currencies of payments, and the digits of their minor units. The only such table.

    domain/currency.py ─► orders, filters, CSV, bank page, terminal        decimal_text
                       ─► web-shared/currencies.gen.ts ─► pages            `gateway pages types`

Metals, bonds and the codes for tests and for no currency (XAU, XBA, XTS, XXX) have no minor unit and are not here.
"""

from __future__ import annotations

USUAL_MINOR_DIGITS = 2
_CODES_BY_MINOR_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW
    CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
    INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN
    NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
    SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
MINOR_DIGITS = {code: digits for digits, codes in _CODES_BY_MINOR_DIGITS.items() for code in codes.split()}
"""Code -> digits after the decimal point."""


def minor_digits(currency: str) -> int:
    """For a code that is not in the table: 2, as for most."""
    return MINOR_DIGITS.get(currency, USUAL_MINOR_DIGITS)


def minor_units(currency: str) -> int:
    """The number of minor units in one unit."""
    return int(10 ** minor_digits(currency))


def decimal_text(amount_minor: int, currency: str) -> str:
    """`50000, "INR"` -> `500.00`; `500, "JPY"` -> `500`; `500, "KWD"` -> `0.500`. Never through a float."""
    digits = minor_digits(currency)
    if digits == 0:
        return str(amount_minor)
    sign = "-" if amount_minor < 0 else ""
    whole, part = divmod(abs(amount_minor), minor_units(currency))
    return f"{sign}{whole}.{part:0{digits}}"
