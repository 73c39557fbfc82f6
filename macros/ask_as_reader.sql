{#- Post-hook of a mart that is a view: it reads its tables as whoever asks it. -#}
{% macro ask_as_reader() %}
    {% if target.type == "postgres" %}
        alter view {{ this }} set (security_invoker = true)
    {% endif %}
{% endmacro %}
