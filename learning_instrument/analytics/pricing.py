"""Which price tables the costs in a database come from."""

from ..selection import Queryable


def price_tables(database: Queryable) -> tuple[str, ...]:
    """Return the price tables, with their dates, of the first and of the last model call that was priced.

    Empty: every cost that is known was reported. A table is kept with each call, for the one that is installed today
    need not be that of the costs.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    columns = {row["name"] for row in database.query("SELECT name FROM pragma_table_info('model_calls')")}
    if "price_table" not in columns:  # an older release wrote the file
        return ()
    ends = [
        row["price_table"]
        for order in ("ASC", "DESC")
        for row in database.query(
            f"SELECT price_table FROM model_calls WHERE price_table IS NOT NULL ORDER BY rowid {order} LIMIT 1"
        )
    ]
    return tuple(dict.fromkeys(ends))
