/** The few drawn signs. Decorative: each is beside or inside something with its own name. */
import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 16 16"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export const CopyIcon = () => (
  <Icon>
    <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
    <path d="M3 10.500a.9.9 0 0 1-.5-.8V3.500a1 1 0 0 1 1-1h6.200a.9.9 0 0 1 .8.5" />
  </Icon>
);
export const SearchIcon = () => (
  <Icon>
    <circle cx="7" cy="7" r="4.5" />
    <path d="m13.5 13.5-3.2-3.2" />
  </Icon>
);
export const MenuIcon = () => (
  <Icon>
    <path d="M2.5 4.500h11M2.5 8h11M2.5 11.500h11" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="m4 4 8 8M12 4l-8 8" />
  </Icon>
);
export const DownloadIcon = () => (
  <Icon>
    <path d="M8 2.500v7.500m0 0L5 7.200M8 10l3-2.800M3 13.500h10" />
  </Icon>
);
export const BackIcon = () => (
  <Icon>
    <path d="M9.5 3.5 5 8l4.5 4.5" />
  </Icon>
);
export const RefreshIcon = () => (
  <Icon>
    <path d="M13 8a5 5 0 1 1-1.6-3.700M13 2.500v2.200h-2.2" />
  </Icon>
);
