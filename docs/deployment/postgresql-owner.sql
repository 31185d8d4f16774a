-- Hands the tables of the chat over to the role of DATABASE_ADMIN_URL. Run it as a superuser, in the
-- database of the chat:
--
--   psql -U postgres -d chat -f docs/deployment/postgresql-owner.sql

DO $$
DECLARE one record;
BEGIN
  EXECUTE format('ALTER DATABASE %I OWNER TO chat_owner', current_database());
  FOR one IN SELECT oid::regclass AS name FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
  LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO chat_owner', one.name);
  END LOOP;
  FOR one IN SELECT oid::regprocedure AS name FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND proname IN
      ('search_hits', 'stored_bytes', 'stored_report_bytes', 'lock_membership')
  LOOP
    EXECUTE format('ALTER FUNCTION %s OWNER TO chat_owner', one.name);
  END LOOP;
END $$;
