/** The one search box: an identifier leads to its object, anything else filters the payments. */
import { useEffect, useId, useState } from "preact/hooks";
import { filtersFromSearch, filtersToSearch } from "../query/filters.ts";
import { filtersToText, understand } from "../query/grammar.ts";
import { navigate, usePlace } from "../router/place.ts";
import { SearchIcon } from "../ui/icons.tsx";

const LIST = "/dashboard/transactions";

export function SearchBox() {
  const place = usePlace();
  const id = useId();
  const [line, setLine] = useState("");
  const [problem, setProblem] = useState("");
  // Each navigation shows the filters of its page.
  useEffect(() => {
    setLine(place.path === LIST ? filtersToText(filtersFromSearch(place.search)) : "");
    setProblem("");
  }, [place.visit]);

  const search = (event: Event) => {
    event.preventDefault();
    const understood = understand(line);
    if (understood.kind === "problem") return setProblem(understood.message);
    navigate(understood.kind === "goto" ? understood.path : LIST + filtersToSearch(understood.filters));
  };
  return (
    <search class="search">
      <form onSubmit={search}>
        <label class="visually-hidden" for={id}>
          Search payments
        </label>
        <SearchIcon />
        <input
          id={id}
          type="search"
          value={line}
          data-search={true}
          autocomplete="off"
          spellcheck={false}
          placeholder="id  VPA  last4  payer  receipt  status:failed"
          aria-describedby={`${id}-problem`}
          aria-invalid={problem !== "" ? true : undefined}
          onInput={(event) => setLine(event.currentTarget.value)}
        />
        <kbd title="Press / to search">/</kbd>
      </form>
      <p id={`${id}-problem`} class="search-problem" role="status">
        {problem}
      </p>
    </search>
  );
}
