// @ts-check
// A form whose fields limit a list: they are sent to the page's state as one object, with no request.

/**
 * @param {import("react").ComponentProps<"form"> & {
 *   onFilter?: (fields: Record<string, FormDataEntryValue>) => void,
 * }} props
 */
export const FilterForm = ({ onFilter, children, ...props }) => (
  <form
    {...props}
    onSubmit={(event) => {
      event.preventDefault();
      onFilter?.(Object.fromEntries(new FormData(event.currentTarget)));
    }}
  >
    {children}
  </form>
);
