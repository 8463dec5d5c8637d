from naived.check.rows import exit_code, failed, ok, skipped, told, warned


def test_a_row_is_one_line_that_cannot_move_the_cursor() -> None:
    row = failed("symbol\x1b", "it\nsays \x1b[2J and \u202e", "a\tb")
    assert row.document() == {
        "name": "symbol\\x1b",
        "status": "failed",
        "found": "it says \\x1b[2J and \\u202e",
        "todo": "a b",
    }


def test_the_exit_code_is_that_of_the_worst() -> None:
    good = [ok("a", ""), warned("b", "", ""), skipped("c", "")]
    assert exit_code(good) == 0
    assert exit_code([*good, failed("d", "", "")]) == 1
    assert exit_code([*good, failed("d", "", ""), failed("e", "", "", unusable=True)]) == 78


def test_an_error_is_told_as_what_was_found_and_what_to_do() -> None:
    assert told(ValueError("it is open. Mend it with: chmod 600 x"), "look") == (
        "it is open",
        "Mend it with: chmod 600 x",
    )
    assert told(ValueError("it is\nopen"), "look") == ("it is open", "look")
