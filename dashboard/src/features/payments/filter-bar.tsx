/** The filters as fields, for those who do not type the search language. Each change is a new address. */

import { METHOD_NAMES, METHODS } from "web-shared/methods";
import { minorToTyped, typedToMinor } from "../../query/amount.ts";
import { type Filters, isFiltered, NO_FILTERS, STATUSES } from "../../query/filters.ts";
import { Choice, CurrencyEntry, Entry } from "../../ui/filter.tsx";

export interface FilterBarProps {
  filters: Filters;
  onFilters: (filters: Filters) => void;
}

export function FilterBar({ filters, onFilters }: FilterBarProps) {
  const currency = filters.currency ?? "INR";
  const set = (change: Partial<Filters>) => onFilters({ ...filters, ...change });
  return (
    <fieldset class="filters">
      <legend class="visually-hidden">Filters</legend>
      <Choice
        label="Status"
        value={filters.status ?? ""}
        options={STATUSES.map((status) => [status, status.toLowerCase()] as const)}
        onValue={(value) => set({ status: STATUSES.find((status) => status === value) ?? null })}
      />
      <Choice
        label="Method"
        value={filters.method ?? ""}
        options={METHOD_NAMES.map((name) => [name, METHODS[name].label] as const)}
        onValue={(value) => set({ method: METHOD_NAMES.find((name) => name === value) ?? null })}
      />
      <Choice
        label="Captured"
        value={filters.captured === null ? "" : String(filters.captured)}
        options={[
          ["true", "yes"],
          ["false", "no"],
        ]}
        onValue={(value) => set({ captured: value === "" ? null : value === "true" })}
      />
      <Entry
        label="From"
        type="date"
        value={filters.from?.slice(0, 10) ?? ""}
        onValue={(from) => set({ from: from || null })}
      />
      <Entry label="To" type="date" value={filters.to?.slice(0, 10) ?? ""} onValue={(to) => set({ to: to || null })} />
      <CurrencyEntry
        currency={filters.currency}
        // The same minor units are another amount in another currency.
        onCurrency={(next) => set({ currency: next, amountMin: null, amountMax: null })}
      />
      <Amount
        label={`From ${currency}`}
        currency={currency}
        minor={filters.amountMin}
        onMinor={(amountMin) => set({ amountMin })}
      />
      <Amount
        label={`To ${currency}`}
        currency={currency}
        minor={filters.amountMax}
        onMinor={(amountMax) => set({ amountMax })}
      />
      {isFiltered(filters) && (
        <button type="button" class="link-button" onClick={() => onFilters(NO_FILTERS)}>
          Clear
        </button>
      )}
    </fieldset>
  );
}

interface AmountProps {
  label: string;
  currency: string;
  minor: number | null;
  onMinor: (minor: number | null) => void;
}

function Amount({ label, currency, minor, onMinor }: AmountProps) {
  return (
    <Entry
      label={label}
      type="text"
      value={minor === null ? "" : minorToTyped(minor, currency)}
      onValue={(text) => onMinor(typedToMinor(text, currency))}
    />
  );
}
